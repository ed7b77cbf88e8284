import copy
import re

import pytest
from refusals import message_of

from unlearning_robustness.config import resolve
from unlearning_robustness.config.references import expected_of

ENTRY = {
    "study": "laptop", "model": "smollm2-135m-instruct", "benchmark": "elements", "method": "rmu", "defence": "rna",
    "quantity": "accuracy", "of": {"role": "forget"}, "value": 0.3, "tolerance": 0.02,
    "source": {"paper": "a paper", "place": "Table 1"},
}  # fmt: skip


def test_a_study_is_compared_with_what_names_it_and_with_nothing_else(config):
    assert expected_of(resolve(config)) == {}
    config["expected"] = {"ours": ENTRY, "others": {**ENTRY, "study": "paper", "method": "of-another-study"}}
    resolved = resolve(config)
    assert list(expected_of(resolved)) == ["ours"]
    assert resolved["expected"]["ours"]["of"] == {"role": "forget", "attack": "none"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": None}, ["expected.ours:", "'source' is missing"]),
        ({"source": {"paper": "a paper"}}, ["expected.ours.source:", "'place' is missing"]),
        ({"source": {"paper": "", "place": "Table 1"}}, ["expected.ours.source.paper"]),
        ({"valve": 1}, ["expected.ours:", "unknown key 'valve'"]),
        ({"value": "30 %"}, ["expected.ours.value:", "must be a number"]),
        ({"tolerance": -1.0}, ["expected.ours.tolerance"]),
        ({"quantity": "loss"}, ["expected.ours.quantity", "accuracy"]),
        ({"model": "gpt"}, ["expected.ours.model:", "'gpt'"]),
        ({"benchmark": "wmdp"}, ["expected.ours.benchmark:", "'wmdp'", "elements"]),
        ({"method": "rmx"}, ["expected.ours.method:", "'rmx'", "rsv"]),
        ({"defence": "rna.rnx"}, ["expected.ours.defence:", "'rnx'", "rna-weak"]),
        ({"of": {"role": "forget", "probe": "plane"}}, ["expected.ours.of.probe:", "'plane'"]),
        ({"of": {"role": "forget", "attack": "relern"}}, ["expected.ours.of.attack:", "'relern'"]),
        ({"of": {"role": "forget", "attack": "relearn"}}, ["expected.ours.of.steps:", "[5, 15]"]),
        ({"of": {"role": "forget", "attack": "relearn-few", "steps": 5}}, ["expected.ours.of.documents:", "[5, 10"]),
        ({"quantity": "gain"}, ["expected.ours.of.attack:", "gain"]),
    ],
)  # fmt: skip
def test_what_names_nothing_or_has_no_source_is_refused_by_one_line(config, change, words):
    entry = {key: value for key, value in {**copy.deepcopy(ENTRY), **change}.items() if value is not None}
    config["expected"] = {"ours": entry}
    message = message_of(config)
    assert [word for word in words if word not in message] == [], message


CLAIM = {
    "statement": "A token harms.", "source": "abstract", "table": "tokens", "where": {}, "each": ["method"],
    "expects": "below", "least": 0.03,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"claims": {"harm": CLAIM}}, ["claims.harm.table:", "'tokens'", "token_effects"]),
        ({"claims": {"harm": CLAIM | {"table": "token_effects", "where": {"measure": "margin"}}}},
         ["claims.harm.where.measure:", "'margin'", "probability"]),
        ({"defences": {"rna": {"variant_of": "rnb"}}}, ["defences.rna.variant_of:", "'rnb'", "rna-weak"]),
        ({"defences": {"rna": {"variant_of": "rna"}}}, ["defences.rna.variant_of:", "no variant of itself"]),
        ({"methods": {"rmu": {"variant_of": "rmu"}}}, ["methods.rmu.variant_of:", "no variant of itself"]),
        ({"defences": {"gradient-noise": {"parameters": {"match": "rnb", "noise_scale": 1.0}}}},
         ["defences.gradient-noise.parameters.match:", "'rnb'", "rna-weak"]),
    ],
)  # fmt: skip
def test_claims_and_entries_name_what_there_is(config, change, words):
    for axis, entries in change.items():
        for name, entry in entries.items():
            config.setdefault(axis, {})[name] = {**config.get(axis, {}).get(name, {}), **entry}
    message = message_of(config)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("tables", "claims", "words"),
    [
        (["differenzes"], {}, "no job computes the table\\(s\\) differenzes together"),
        (["differences", "interactions"], {}, "no job computes the table\\(s\\) differences, interactions together"),
        (["differences"], {"harm": CLAIM | {"table": "differences"}}, "the register of claims is this study's family"),
    ],
)
def test_a_study_has_one_family_of_comparisons(config, tables, claims, words):
    config["analysis"]["family"] = [{"table": name} for name in tables]
    config["claims"] = claims
    assert re.search("analysis.family: " + words, message_of(config))
