"""The fast scorer against lm-eval on lm-eval's own tasks, of made-up questions, without a network."""

import copy
import functools
import random

import numpy
import pandas
import pytest
import yaml

from unlearning_robustness.data import mmlu, wmdp
from unlearning_robustness.data.items import lettered, shots_of
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.evaluation.arbitration import arbitrate
from unlearning_robustness.evaluation.official import MMLU, WMDP, official_scores, write_repository
from unlearning_robustness.scoring.questions import QuestionScorer

SUBJECTS = {"virology": 20, "high_school_geography": 36, "world_religions": 12}
GROUP = {
    "group": "three",
    "task": [f"mmlu_{subject}" for subject in SUBJECTS],
    "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
}


def made_up(count, seed):
    """Questions about nothing, some with blanks around them; columns as published."""
    draw = random.Random(seed)
    words = ["stone", "river", "cloud", "lamp", "seed", "wind", "bread"]
    rows = [
        {
            "question": f"{' ' * (n % 2)}What of {' '.join(draw.choices(words, k=3))} {n}?{' ' * (n % 3)}",
            "choices": draw.sample(words, 4),
            "answer": draw.randrange(4),
        }
        for n in range(count)
    ]
    return pandas.DataFrame(rows)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(folder that lm-eval reads, MMLU's test and dev tables, WMDP's tables by part)."""
    folder = tmp_path_factory.mktemp("data")
    tests = {name: made_up(count, name) for name, count in SUBJECTS.items()}
    shown = {name: made_up(6, f"{name}/dev") for name in SUBJECTS}
    write_repository(folder, MMLU, {name: {"test": tests[name], "dev": shown[name]} for name in SUBJECTS})
    parts = {"bio": made_up(28, "bio"), "chem": made_up(16, "chem"), "cyber": made_up(20, "cyber")}
    write_repository(folder, WMDP, {f"wmdp-{name}": {"test": table} for name, table in parts.items()})
    frames = [
        pandas.concat([table.assign(subject=name) for name, table in found.items()], ignore_index=True)
        for found in (tests, shown)
    ]
    (folder / "three.yaml").write_text(yaml.safe_dump(GROUP))
    return folder, *frames, parts


@pytest.fixture(scope="module")
def model(make_model):
    """Weights so large that what is predicted depends on the question."""
    return make_model(seed=2, max_position_embeddings=2048, initializer_range=0.3)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """With an end of text, which lm-eval asks for."""
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    return tokenizer


@pytest.fixture(scope="module")
def scored(published, model, tokenizer):
    """What lm-eval says of MMLU under so many shots; asked once each."""
    return functools.cache(lambda shots: official_scores(model, tokenizer, published[0], ["three"], 8, shots))


def agreement(ours, theirs):
    """Share of equal predictions, and the largest difference of log-likelihoods in nats."""
    apart = numpy.abs(numpy.stack(ours["log_likelihoods"]) - numpy.stack(theirs["log_likelihoods"].map(numpy.array)))
    return (ours["prediction"].to_numpy() == theirs["prediction"].to_numpy()).mean(), apart.max()


@pytest.mark.parametrize("shots", [0, 5])
def test_every_mmlu_prediction_is_lm_evals_and_so_is_the_average(published, scored, model, tokenizer, shots):
    _, tests, shown, _ = published
    theirs, accuracy = scored(shots)
    shown = shots_of(mmlu.items(shown, "dev"), shots) if shots else None
    table = lettered(mmlu.items(tests, "test"), "retain", {"test": 1}, "0", shown)
    ours = QuestionScorer(tokenizer, table, 4).records(model)
    order = theirs.set_index(["task", "index"]).loc[
        [(f"mmlu_{name}", index) for name, count in SUBJECTS.items() for index in range(count)]
    ]
    same, apart = agreement(ours, order)
    assert len(ours) == 68 and same == 1.0
    assert ours["prediction"].nunique() > 2
    assert apart < 1e-3
    assert ours["correct"].mean() == pytest.approx(accuracy["three"])
    by_subject = ours.groupby("relation")["correct"].mean()
    assert by_subject["virology"] == pytest.approx(accuracy["mmlu_virology"])
    assert ours["correct"].mean() != pytest.approx(by_subject.mean(), abs=1e-3)


def test_every_wmdp_prediction_is_lm_evals_and_so_is_its_group(published, model, tokenizer):
    folder, _, _, parts = published
    theirs, accuracy = official_scores(model, tokenizer, folder, ["wmdp"], 8)
    items = pandas.concat([wmdp.items(table, part) for part, table in parts.items()], ignore_index=True)
    ours = QuestionScorer(tokenizer, lettered(items, "forget", {"test": 1}, "0"), 4).records(model)
    same, apart = agreement(ours, theirs)
    assert len(ours) == 64 and same == 1.0
    assert ours["prediction"].nunique() > 2
    assert apart < 1e-3
    assert ours["correct"].mean() == pytest.approx(accuracy["wmdp"])


@pytest.fixture
def fetched(published, tmp_path):
    """The same tables as fetched sources, and roles that read them."""
    _, tests, shown, parts = published
    tables = {"mmlu/test": tests, "mmlu/dev": shown} | {f"wmdp/{name}": table for name, table in parts.items()}
    for place, table in tables.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        table.to_parquet(tmp_path / f"{place}.parquet")
    sources = Published({"mmlu": "mmlu", "wmdp": "wmdp"}, [str(tmp_path / "mmlu"), str(tmp_path / "wmdp")])
    roles = [
        {"items": [f"wmdp/{name}" for name in parts]},
        {"items": ["mmlu/test"], "shots": {"count": 5, "items": ["mmlu/dev"]}},
        {"items": ["mmlu/test"]},
    ]
    return sources, roles


def test_the_arbiter_reads_what_a_benchmark_reads_and_agrees(fetched, model, tokenizer, tmp_path):
    table = arbitrate(model, tokenizer, *fetched, tmp_path / "arbiter", 8).set_index("task")
    sizes = {"mmlu": 68, "mmlu_virology": 20, "wmdp": 64, "wmdp_cyber": 20, "wmdp_chem": 16}
    assert table.loc[list(sizes), "questions"].to_dict() == sizes
    assert (table["same_predictions"] == 1.0).all() and table["largest_difference"].max() < 1e-3
    assert table["accuracy"].to_list() == pytest.approx(table["accuracy_lm_eval"].to_list())
    assert 0 < table.loc["mmlu", "accuracy"] < 1


def test_predictions_are_not_equal_by_themselves(scored):
    """Shots change what is predicted, so equal predictions under both are agreement about the prompt."""
    same, apart = agreement(scored(0)[0], scored(5)[0])
    assert same < 0.6 and apart > 1.0
