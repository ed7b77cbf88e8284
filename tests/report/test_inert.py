"""Text of models, data and configuration is text: no script in it runs in a browser, nor a template in the report."""

import subprocess
import sys
import zipfile
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
import yaml
from browser import browsing, opened
from synthetic import planted_context, raw_config

from unlearning_robustness.config import resolve
from unlearning_robustness.config.constants import constant
from unlearning_robustness.config.display import figure_settings
from unlearning_robustness.config.kinds import FIGURES as FILES
from unlearning_robustness.config.kinds import module_of
from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures.style import save, style
from unlearning_robustness.report import PAGES
from unlearning_robustness.report.markup import html_page, rst

ROOT = Path(__file__).parents[2]
SCRIPT = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'><svg onload='window.ran = 1'>"
HOSTILE = f"]]>--></title></script>{SCRIPT} {{% x %}} {{{{ y }}}} .. raw:: html"
SNAKEFILE = """
report: "landing.rst"
configfile: "config.yaml"

rule all:
    input: "model/benchmark/page.html", "model/benchmark/figure.svg"

rule copy:
    input: "{name}"
    output: report("{model}/{benchmark}/{name}", caption="caption.rst", category="1. Findings", labels={"is": "{name}"})
    params: caption=config["caption"]
    shell: "cp {input} {output}"
"""


@pytest.fixture(scope="module")
def tab():
    with browsing() as tab:
        yield tab


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """The pages of a study whose every label, title and note is hostile, by name, and one of its figures."""
    config, folder = raw_config(), tmp_path_factory.mktemp("study")
    for axis in ("methods", "defences", "attacks", "probes"):
        for name, entry in config[axis].items():
            entry["label"] = f"{name} {HOSTILE}"
    config["study"] |= {"title": HOSTILE, "settings": HOSTILE, "seeds": [0, 1]}
    config["models"]["smollm2-135m-instruct"] |= {"note": HOSTILE, "license": HOSTILE}
    config["analysis"]["bootstrap_samples"] = 50
    config = resolve(config)
    context = planted_context(config, folder)
    drawn = figure_settings(config, "elements", constant(module_of(FILES, "accuracy"), "SETTINGS"))
    with style():
        save(FIGURES["accuracy"](replace(context, settings=drawn)), folder / "a.svg", folder / "a.pdf")
    pages = {name: PAGES[name](context) for name in ("findings", "summary", "examples")}
    return pages, (folder / "a.svg").read_text()


def ran(tab, path):
    return opened(tab, path).evaluate("window.ran")


def test_a_script_that_is_let_in_does_run(tab, tmp_path):
    (tmp_path / "page.html").write_text(f"<!doctype html>{SCRIPT}")
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>window.ran = 1</script></svg>')
    assert ran(tab, tmp_path / "page.html") == 1 and ran(tab, tmp_path / "a.svg") == 1


def test_pages_and_figures_show_a_script_and_do_not_run_it(tab, texts, tmp_path):
    pages, figure = texts
    for name, text in pages.items():
        (tmp_path / "page.html").write_text(html_page(f"{name} {HOSTILE}", text))
        assert ran(tab, tmp_path / "page.html") is None
        assert tab.title() == f"{name} {HOSTILE}"
    assert "window.ran = 1" in tab.inner_text("body")
    (tmp_path / "a.svg").write_text(figure)
    assert ran(tab, tmp_path / "a.svg") is None
    assert escape(SCRIPT, quote=False) in figure


def test_the_report_of_snakemake_shows_it_and_runs_neither_script_nor_template(tab, texts, tmp_path):
    pages, figure = texts
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"caption": "A caption.", "title": HOSTILE}))
    (tmp_path / "caption.rst").write_text((ROOT / "report" / "caption.rst").read_text())
    (tmp_path / "landing.rst").write_text(rst(pages["findings"]))
    (tmp_path / "page.html").write_text(html_page(HOSTILE, pages["findings"]))
    (tmp_path / "figure.svg").write_text(figure)
    for arguments in (["--cores", "1"], ["--report", "report.zip"]):
        command = [sys.executable, "-m", "snakemake", "--quiet", "all", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        archive.extractall(tmp_path)
    assert ran(tab, tmp_path / "report" / "report.html") is None
    # The heading of the first page is the study's title, sign by sign.
    assert " ".join(HOSTILE.split()) in " ".join(tab.inner_text("#app").split())
