"""A benchmark of published data in the configuration: what it may read and be asked."""

import pytest
from refusals import message_of, replaced

from studies import load_study
from unlearning_robustness.config import resolve


@pytest.fixture
def config():
    return load_study("wmdp-smoke")


def test_the_wmdp_study_resolves(config):
    resolved = resolve(config)
    assert resolved["benchmarks"]["wmdp"]["forget"]["templates_asked"] == 1
    assert resolved["benchmarks"]["wmdp"]["neighbour"]["subjects"][0] == "college biology"
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
        (
            "benchmarks/wmdp/texts/retain",
            ["wmdp-cyber-texts/forget"],
            ["texts.retain:", "is forgotten; name other texts"],
        ),
        (
            "benchmarks/wmdp/neighbour",
            {"items": ["wmdp/bio"], "splits": {"test": 1}},
            ["neighbour.items: 'wmdp/bio' is"],
        ),
        ("benchmarks/wmdp/forget/domain", "elements", ["benchmarks.wmdp.forget:", "needs items and no domain"]),
        ("benchmarks/wmdp/options", "balanced", ["benchmarks.wmdp.options: published questions", "leave it out"]),
        ("probes/forget-token/vocabulary", "entities", ["probes.forget-token.vocabulary:", "ngrams"]),
        ("probes/option-forget/mode", "letter", ["probes.option-forget.mode:", "letters already"]),
        ("attacks/relearn/parameters/corpus", "relearn-shuffled", ["attacks.relearn.parameters.corpus:", "wmdp"]),
        ("study/cells/0/attacks", ["few-shot"], ["benchmarks.wmdp.forget.splits:", "few-shot", "'relearn'"]),
    ],
)
def test_what_cannot_be_read_or_asked_is_refused_in_one_line(config, way, value, parts):
    text = message_of(replaced(config, way, value))
    assert [part for part in parts if part not in text] == [], text


def test_a_chat_is_not_mixed_with_measures_that_ask_in_plain_text():
    config = load_study("muse")
    benchmark = config["study"]["benchmarks"][0]
    config["benchmarks"][benchmark]["chat"] = {}
    assert message_of(config) == (
        f"benchmarks.{benchmark}.chat: memorisation.protocol facts asks in plain text; leave it out"
    )
