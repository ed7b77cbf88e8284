"""What memorisation and open questions need to be said, on the studies of TOFU and MUSE."""

import copy

import pytest
from refusals import GONE, message_of, replaced

from studies import load_study
from unlearning_robustness.config import ConfigError, resolve

ROLES = ("forget", "retain", "neighbour")


@pytest.fixture(scope="module")
def studies():
    return {name: load_study(name) for name in ("tofu", "muse-news", "muse-books")}


def test_both_studies_resolve_with_their_defaults(studies):
    tofu, muse, books = (resolve(studies[name]) for name in ("tofu", "muse-news", "muse-books"))
    assert tofu["memorisation"]["mean_of_wrong"] == "geometric" and tofu["memorisation"]["count_end"] is False
    assert muse["models"]["muse-news-retrained"]["tokenizer"]["repository"] == "NousResearch/Llama-2-7b-hf"
    assert muse["memorisation"]["format"] == "Question: {}\nAnswer: "
    assert tofu["benchmarks"]["tofu"]["corpora"]["relearn"] == "forget"
    # What is asked of novels, all of it from their own repository.
    entry = books["benchmarks"]["muse-books"]
    places = [*entry["texts"].values(), *entry["open"].values(), *(entry[role]["items"] for role in ROLES)]
    assert {place.split("/")[0] for part in places for place in part} == {"muse-books"}
    assert entry["corpora"]["longest_characters"] == 8000 and entry["corpora"]["relearn"] == "forget"
    assert books["sources"]["muse-books"]["files"] == muse["sources"]["muse-news"]["files"]
    target, retrained = (books["models"][f"muse-books-{kind}"] for kind in ("target", "retrained"))
    assert target["hub"] != retrained["hub"] and target["tokenizer"] == retrained["tokenizer"]


TOFU = [
    ("memorisation/retrain", GONE, ["memorisation.retrain: missing", "retain-only", "model, or the log"]),
    ("memorisation/retrain", {"log": "nowhere.json"}, ["memorisation.retrain.log:", "no file nowhere.json"]),
    ("memorisation/retrain", {"auc": 0.5}, ["memorisation.retrain.auc: protocol tofu compares by model or log"]),
    ("memorisation/retrain", {"model": "nobody"}, ["memorisation.retrain.model: 'nobody'"]),
    ("memorisation/shots", 3, ["memorisation.shots: protocol tofu has no use for it"]),
    ("memorisation/format", "Question:", ["memorisation.format:", "one {}"]),
    ("memorisation/protocol", "muse", ["memorisation.documents: missing; protocol muse needs it"]),
    ("memorisation/mean_of_wrong", "median", ["memorisation.mean_of_wrong:", "geometric"]),
    ("benchmarks/tofu/open/world-facts", GONE, ["benchmarks.tofu.open.world-facts: missing; tofu asks forget"]),
    ("benchmarks/tofu/open/facts", ["tofu/forget"], ["benchmarks.tofu.open: unknown part 'facts'; tofu has forget"]),
    ("benchmarks/tofu/open/forget", ["tofu/nothing"], ["benchmarks.tofu.open.forget:", "no 'nothing'"]),
    ("benchmarks/tofu/open", GONE, ["memorisation.protocol: tofu", "are missing", "give benchmarks.tofu.open"]),
    ("benchmarks/tofu/retain/shots", {"count": 1, "items": ["tofu/retain"]}, ["retain.shots.items:", "reader tofu"]),
    ("models/tofu-full/tokenizer", {"repository": "a/b", "revision": "f" * 40}, ["models.tofu-full.tokenizer:"]),
    ("sources/tofu/hub/revision", "main", ["sources.tofu.hub.revision: 'main' is no commit"]),
]  # fmt: skip
MUSE = [
    ("memorisation/longest_text", GONE, ["memorisation.longest_text: missing; protocol muse needs it"]),
    ("memorisation/retrain", GONE, ["memorisation.retrain: missing; muse-news-target", "auc"]),
    ("memorisation/retrain", {"log": "README.md"}, ["retrain.log: protocol muse compares by model or auc"]),
    ("memorisation/prompt_tokens", 32, ["memorisation.prompt_tokens: protocol muse has no use for it"]),
    ("models/muse-news-target/tokenizer/revision", "main", ["models.muse-news-target.tokenizer.revision: 'main'"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("study", "way", "value", "parts"), [("tofu", *case) for case in TOFU] + [("muse-news", *case) for case in MUSE]
)
def test_what_cannot_be_measured_is_refused_in_one_line(studies, study, way, value, parts):
    text = message_of(replaced(studies[study], way, value))
    assert [part for part in parts if part not in text] == [], text


def test_a_published_log_stands_for_a_model(studies, tmp_path):
    changed = copy.deepcopy(studies["tofu"])
    (tmp_path / "log.json").write_text("{}")
    changed["memorisation"]["retrain"] = {"log": str(tmp_path / "log.json")}
    assert resolve(changed)["memorisation"]["retrain"] == {"log": str(tmp_path / "log.json")}


def test_questions_answered_by_letters_take_shots(studies):
    changed = load_study("wmdp-smoke")
    changed["sources"]["wmdp-bio-texts"]["hub"]["revision"] = "f" * 40
    changed["sources"]["mmlu"]["files"]["dev"] = "all/dev-*.parquet"
    changed["benchmarks"]["wmdp"]["retain"]["shots"] = {"count": 5, "items": ["mmlu/dev"]}
    assert resolve(changed)["benchmarks"]["wmdp"]["retain"]["shots"]["count"] == 5
    changed["probes"]["perturbed"].pop("words")
    with pytest.raises(ConfigError, match=r"probes\.perturbed\.words: go with vocabulary: listed"):
        resolve(changed)
