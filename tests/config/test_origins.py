"""A benchmark of published data in the configuration: what it may read and be asked."""

import copy
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from unlearning_robustness.config import ConfigError, resolve

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config():
    """The WMDP study with a made-up commit where a person must give one."""
    config = load_configfile(ROOT / "config.yaml")
    update_config(config, load_configfile(ROOT / "studies" / "wmdp-smoke.yaml"))
    config["sources"]["wmdp-bio-texts"]["hub"]["revision"] = "f" * 40
    return config


def test_the_wmdp_study_resolves(config):
    resolved = resolve(config)
    assert resolved["benchmarks"]["wmdp"]["forget"]["templates_asked"] == 1
    assert resolved["benchmarks"]["wmdp"]["retain"]["without_subjects"][0] == "college biology"
    assert resolved["sources"]["wmdp"]["hub"]["token_required"] is False
    assert resolved["methods"]["rmu"]["parameters"]["coefficient"] == 6.5


@pytest.mark.parametrize(
    ("way", "value", "parts"),
    [
        ("benchmarks/wmdp/forget/items", ["wmdq/bio"], ["benchmarks.wmdp.forget.items:", "'wmdq'", "mmlu, wikitext"]),
        ("benchmarks/wmdp/forget/items", ["wmdp/physics"], ["benchmarks.wmdp.forget.items:", "'physics'", "bio, chem"]),
        (
            "benchmarks/wmdp/forget/items",
            ["wikitext/test"],
            ["benchmarks.wmdp.forget.items:", "reader wikitext"],
        ),
        ("benchmarks/wmdp/forget/items", ["wmdp"], ["benchmarks.wmdp.forget.items.0:", "'wmdp'"]),
        ("benchmarks/wmdp/texts/retain", ["mmlu/test"], ["benchmarks.wmdp.texts.retain:", "reader mmlu", "wikitext"]),
        ("benchmarks/wmdp/distractors", 4, ["benchmarks.wmdp.distractors:", "must be 3"]),
        ("benchmarks/wmdp/forget/domain", "elements", ["benchmarks.wmdp.forget:", "needs items and no domain"]),
        ("probes/forget-token/vocabulary", "entities", ["probes.forget-token.vocabulary:", "ngrams"]),
        ("probes/option-forget/mode", "letter", ["probes.option-forget.mode:", "letters already"]),
        ("attacks/relearn/parameters/corpus", "relearn-shuffled", ["attacks.relearn.parameters.corpus:", "wmdp"]),
        ("study/cells/0/attacks", ["few-shot"], ["benchmarks.wmdp.forget.splits:", "few-shot", "'relearn'"]),
    ],
)
def test_what_cannot_be_read_or_asked_is_refused_in_one_line(config, way, value, parts):
    changed = entry = copy.deepcopy(config)
    *steps, last = way.split("/")
    for step in steps:
        entry = entry[int(step) if isinstance(entry, list) else step]
    entry[last] = value
    with pytest.raises(ConfigError) as raised:
        resolve(changed)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    assert [part for part in parts if part not in text] == [], text
