import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile

import numpy
import pandas
import pytest
import torch
import yaml
from running import CI, FIGURE_RULES, PLACE, REPORT_RULES, ROOT, SNAKEMAKE, planned, snakemake
from safetensors.torch import load_file

from studies import load_study
from unlearning_robustness.evaluation.publication import main

pytestmark = pytest.mark.slow
RESULTS = ROOT / "results" / "ci"
MODEL = ROOT / "resources" / "models" / "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def study():
    snakemake("--cores", "2", "--configfile", CI)
    return RESULTS


def records(study, cell: str, attack: str = "none") -> pandas.DataFrame:
    return pandas.read_parquet(study / "records" / PLACE / cell / attack / "records.parquet")


def test_a_second_run_has_nothing_to_do(study):
    result = snakemake("--cores", "2", "--configfile", CI)
    assert "Nothing to be done" in result.stdout + result.stderr


def test_the_reference_knows_every_plain_question_and_unlearning_takes_it_away(study):
    reference, unlearned = records(study, "reference/none/seed0"), records(study, "rmu/none/seed0")
    assert reference.query("probe == 'plain'")["correct"].all()
    assert list(reference["question"]) == list(unlearned["question"])
    forget = unlearned.query("role == 'forget'")["correct"].mean()
    assert forget < unlearned.query("role == 'retain' and probe == 'plain'")["correct"].mean() - 0.2


def test_only_the_trained_tensors_moved(study):
    delta = load_file(study / "cells" / PLACE / "rmu" / "rna" / "seed0" / "delta.safetensors")
    base = load_file(MODEL / "model.safetensors")
    assert sorted(delta) == [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (5, 6, 7)]
    assert all(not torch.equal(delta[name], base[name]) for name in delta)


def test_records_lie_with_what_says_where_they_came_from(study):
    manifest = json.loads((study / "records" / PLACE / "rmu" / "rna" / "seed0" / "none" / "manifest.json").read_text())
    assert manifest["wildcards"]["defence"] == "rna"
    assert {"versions", "wall_seconds", "peak_memory_mb", "device", "model_digest", "settings"} <= set(manifest)


def test_early_stop_is_matched_on_select_to_the_defended_cell(study):
    manifest = json.loads((study / "cells" / PLACE / "rmu" / "early-stop" / "seed0" / "manifest.json").read_text())
    assert manifest["steps"] in range(2, 25, 2) and (manifest["equal"] or manifest["steps"] == 24)
    assert {"matched_value", "own_value", "value_error"} <= set(manifest)


def test_the_report_holds_every_figure_and_opens_on_the_findings(study, tmp_path):
    snakemake("--configfile", CI, "--report", tmp_path / "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = archive.namelist()
    figures = yaml.safe_load((ROOT / "config.yaml").read_text())["study"]["figures"]
    for figure in figures:
        assert any(name.endswith(f"{figure}.svg") for name in names), figure
    assert any(name.endswith("findings.html") for name in names)


def overlay(tmp_path, **change):
    path = tmp_path / "overlay.yaml"
    path.write_text(yaml.safe_dump(change))
    return path


def test_a_change_of_the_statistics_retrains_and_attacks_nothing(study, tmp_path):
    jobs = planned(CI, overlay(tmp_path, analysis={"bootstrap_samples": 300}))
    assert set(jobs) == REPORT_RULES


def test_a_study_that_shares_the_tree_makes_nothing_again_that_needs_a_model(study, tmp_path):
    own = {"results": str(tmp_path / "own"), "reuse_results": "results/ci"}
    files = CI, overlay(tmp_path, study=own)
    assert set(planned(*files)) == REPORT_RULES
    snakemake("--cores", "2", "--configfile", *files, "--", own["results"] + "/tables/accuracy.csv")
    made = tmp_path / "own" / "tables" / "accuracy.csv"
    assert made.read_bytes() == (study / "tables" / "accuracy.csv").read_bytes()
    assert {path.name for path in (tmp_path / "own").iterdir()} == {"tables", "logs"}


def test_a_change_of_one_method_touches_that_method_only(study, tmp_path):
    jobs = planned(CI, overlay(tmp_path, methods={"npo-kl": {"steps": 4}}))
    assert jobs["unlearn"] == 1
    assert jobs["evaluate"] == 1
    assert "attack" not in jobs


def test_a_new_seed_adds_its_own_cells_only(study, tmp_path):
    change = overlay(tmp_path, study={"seeds": [0, 1]})
    assert "build_questions" not in planned(CI, change)
    shutil.copytree(study, tmp_path / "results" / "ci")
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    before = (study / "cells" / PLACE / "rmu" / "rna" / "seed0" / "manifest.json").read_text()
    target = f"results/ci/cells/{PLACE}/rmu/rna/seed1/delta.safetensors"
    options = ["--cores", "1", "--configfile", str(CI), str(change), "--rerun-triggers", "mtime", "--", target]
    snakemake(*options, folder=tmp_path)
    kind = tmp_path / "results" / "ci" / "cells" / PLACE / "rmu" / "rna"
    assert (tmp_path / target).is_file()
    # It holds the seconds that the cell took: made again, it would be another.
    assert (kind / "seed0" / "manifest.json").read_text() == before
    assert (
        "seed 0: finished before, kept"
        in (tmp_path / "results" / "ci" / "logs" / "unlearn" / PLACE / "rmu" / "rna.log").read_text()
    )


def test_figures_are_rebuilt_from_records_alone_and_come_out_the_same(study, tmp_path):
    shutil.copytree(study / "records", tmp_path / "results" / "ci" / "records")
    snakemake("--cores", "2", "--configfile", CI, "--allowed-rules", *FIGURE_RULES, "--", "figures", folder=tmp_path)
    again = tmp_path / "results" / "ci"
    for path in [
        *study.glob("tables/*.csv"),
        *study.glob(f"figures/{PLACE}/*.svg"),
        *study.glob(f"tables/{PLACE}/*.md"),
    ]:
        assert (again / path.relative_to(study)).read_bytes() == path.read_bytes(), path.name


def test_published_records_give_the_tables_of_the_study_without_a_model(study, tmp_path):
    results = tmp_path / "results" / "ci"
    shutil.copytree(study / "records", results / "records")
    snakemake("--cores", "1", "--configfile", CI, "--allowed-rules", "publish", "--", "publish", folder=tmp_path)
    shutil.rmtree(results / "records")
    folder = tmp_path / "results" / "published" / "ci"
    assert main([str(folder), str(results)]) == 0
    snakemake("--cores", "2", "--configfile", CI, "--allowed-rules", *FIGURE_RULES, "--", "figures", folder=tmp_path)
    assert {path.name for path in results.glob(f"figures/{PLACE}/*")} == {
        path.name for path in study.glob(f"figures/{PLACE}/*")
    }
    one, two = (pandas.read_csv(each / "tables" / "accuracy.csv") for each in (study, results))
    assert len(one) > 10 and list(one) == list(two)
    # Scores are published to a thousandth of a nat: answers are the same, probabilities as good as the same.
    answers = one["measure"] == "accuracy"
    pandas.testing.assert_frame_equal(one[answers], two[answers])
    pandas.testing.assert_frame_equal(one, two, rtol=1e-3, atol=1e-3)


def test_a_killed_study_finishes_with_the_same_records_and_repeats_no_finished_cell(study, tmp_path):
    shutil.copytree(study, tmp_path / "results" / "ci", ignore=shutil.ignore_patterns("rmu", "scratch"))
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    target = f"results/ci/records/{PLACE}/rmu/rna/seed0/none/records.parquet"
    options = ["--cores", "1", "--configfile", str(CI), "--rerun-triggers", "mtime", "--rerun-incomplete", "--", target]
    command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path), *options]
    log = tmp_path / "results" / "ci" / "logs" / "unlearn" / PLACE / "rmu" / "rna.log"
    log.unlink(missing_ok=True)
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (log.is_file() and "step" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / target).exists()
    result = snakemake(*options, folder=tmp_path)
    assert "unlearn" in result.stdout + result.stderr
    assert "rule cache_activations" not in result.stdout + result.stderr
    # The line at the start ends there: no job that is left was unknown to the estimate.
    said = r"6 cells, 9 \(cell, attack\) runs, jobs left: 2; .*, about \d+ minutes? on 1 core$"
    assert re.search(said, result.stdout, re.MULTILINE)
    first, second = records(study, "rmu/rna/seed0"), pandas.read_parquet(tmp_path / target)
    assert numpy.array_equal(numpy.stack(first["log_likelihoods"]), numpy.stack(second["log_likelihoods"]))


@pytest.mark.parametrize("name", ["stableun", "matrix"])
def test_relearning_reads_every_document_of_facts_to_its_end(study, name):
    from unlearning_robustness.models.loading import load_tokenizer
    from unlearning_robustness.scoring.encoding import left_out

    corpora, tokenizer = pandas.read_parquet(study / "corpora" / "elements.parquet"), load_tokenizer(MODEL)
    tokens = load_study(name)["attacks"]["relearn"]["parameters"]["tokens"]
    for corpus in ("relearn", "seen"):
        facts = list(corpora.loc[(corpora["corpus"] == corpus) & (corpora["kind"] == "facts"), "text"])
        assert left_out(tokenizer, facts, tokens) == 0 < left_out(tokenizer, facts, tokens - 10)


def test_an_exported_model_answers_as_the_records_say(study):
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.device import choose_dtype
    from unlearning_robustness.scoring.questions import QuestionScorer

    target = f"exports/{PLACE}/rmu/rna/seed0"
    snakemake("--cores", "1", "--configfile", CI, "--", target)
    torch.set_num_threads(1)
    model, _ = load_model(ROOT / target, dtype=choose_dtype("cpu"))
    asked = records(study, "rmu/rna/seed0").query("probe == 'plain'").head(40)
    scorer = QuestionScorer(load_tokenizer(ROOT / target), asked, batch_size=48)
    assert scorer.records(model)["correct"].mean() == pytest.approx(asked["correct"].mean(), abs=0.05)


@pytest.mark.parametrize("cell", ["reference/none/seed0", "rmu/rna/seed0"])
def test_lm_eval_predicts_the_same_for_every_question(study, cell, tmp_path):
    from unlearning_robustness.evaluation.harness import harness_scores, write_tasks
    from unlearning_robustness.models.delta import apply_delta, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.scoring.questions import QuestionScorer

    torch.set_num_threads(1)
    model, digest = load_model(MODEL)
    apply_delta(model, load_delta(study / "cells" / PLACE / cell / "delta.safetensors", digest))
    tokenizer = load_tokenizer(MODEL)
    probes = pandas.read_parquet(study / "benchmarks" / PLACE / "probes.parquet")
    asked = probes.groupby(["role", "probe"]).head(17)
    names = write_tasks(asked, "elements", tmp_path)
    arbiter = pandas.concat(
        [
            harness_scores(model, tokenizer, tmp_path, [name], 8).assign(
                key=lambda table: table["task"] + table["question"]
            )
            for name in names
        ]
    ).set_index("key")
    ours = QuestionScorer(tokenizer, asked, 32).records(model)
    keys = [
        f"elements_{role}_{probe}".replace("-", "_") + q
        for role, probe, q in ours[["role", "probe", "question"]].values
    ]
    theirs = arbiter.loc[keys]
    assert len(ours) > 80
    assert numpy.abs(numpy.stack(theirs["log_likelihoods"]) - numpy.stack(ours["log_likelihoods"])).max() < 1e-4
    assert (theirs["prediction"].to_numpy() == ours["prediction"].to_numpy()).all()


def test_a_damaged_model_stops_a_job_with_one_line_and_leaves_no_output(study, tmp_path):
    shutil.copytree(study, tmp_path / "results" / "ci", ignore=shutil.ignore_patterns("npo-kl"))
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    weights = tmp_path / "resources" / "models" / "smollm2-135m-instruct" / "model.safetensors"
    with open(weights, "r+b") as handle:
        handle.truncate(1_000_000)
    target = f"results/ci/cells/{PLACE}/npo-kl/rna/seed0/delta.safetensors"
    options = ["--configfile", CI, "--rerun-triggers", "mtime", "--", target]
    result = snakemake("--cores", "1", *options, folder=tmp_path, check=False)
    assert result.returncode != 0
    assert "model.safetensors has 1000000 bytes" in result.stdout + result.stderr
    assert not (tmp_path / target).exists()
