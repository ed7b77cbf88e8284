"""Old keys are refused by one line that names the new one."""

import pytest
from refusals import changed, message_of

from unlearning_robustness.config import schema

# What keys were called, and what each is called today.
RENAMED = [
    ("seeds_together", "false", "config: 'seeds_together' is called 'batch_seeds' today"),
    ("selection", "{}", "config: 'selection' is called 'tuning' today"),
    ("study/shares", "results", "study: 'shares' is called 'reuse_results' today"),
    ("tuning/retain_margin", "0.05", "tuning: 'retain_margin' is called 'utility_bound' today"),
    ("analysis/retain_margin", "0.05", "analysis: 'retain_margin' is called 'utility_bound' today"),
    (
        "benchmarks/elements/retain/most_facts",
        "{test: 2}",
        "benchmarks.elements.retain: 'most_facts' is called 'max_facts' today",
    ),
    ("probes/plain/most_facts", "2", "probes.plain: 'most_facts' is called 'max_facts' today"),
    ("probes/forget-token/tokens", "forget", "probes.forget-token: 'tokens' is called 'insert' today"),
    (
        "attacks/gcg/parameters/tokens",
        "12",
        "attacks.gcg.parameters.tokens: 'tokens' is called 'inserted_tokens' today",
    ),
    (
        "attacks/orthogonalise/parameters/margin",
        "0.05",
        "attacks.orthogonalise.parameters.margin: 'margin' is called 'utility_bound' today",
    ),
    ("attacks/prune/parameters/margin", "0.05", "'margin' is called 'utility_bound' today"),
    ("attacks/prefill/parameters/retain_margin", "0.05", "'retain_margin' is called 'utility_bound' today"),
]


@pytest.mark.parametrize(("place", "text", "said"), RENAMED, ids=[row[0] for row in RENAMED])
def test_an_old_key_is_refused_by_one_line_that_names_the_new_one(config, tmp_path, place, text, said):
    assert f"{said}; rename it" in message_of(changed(config, place, text, tmp_path))


@pytest.mark.parametrize("place", ["study/tokens", "methods/rmu/margin", "attacks/quantise/parameters/tokens"])
def test_an_old_word_where_it_never_stood_is_an_unknown_key(config, tmp_path, place):
    message = message_of(changed(config, place, "1", tmp_path))
    assert "unknown" in message and "today" not in message


def test_every_old_key_that_is_known_is_tested():
    assert {row[0].split("/")[-1] for row in RENAMED} == set(schema.RENAMED)
