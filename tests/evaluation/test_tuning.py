import contextlib
import json
from types import SimpleNamespace

import pandas
import pytest
from synthetic import study

from unlearning_robustness.evaluation import tuning
from unlearning_robustness.evaluation.tuning import (
    Search,
    SelectScorer,
    choose,
    choose_attack,
    choose_method,
    choose_noise,
    chosen_table,
)


def methods(*rows, floor=0.0):
    columns = ["learning_rate", "retain_weight", "steps", "forget", "retain"]
    return pandas.DataFrame(rows, columns=columns).assign(floor=floor)


def noise(*rows):
    return pandas.DataFrame(rows, columns=["noise_scale", "forget", "retain"])


def attacks(*rows):
    return pandas.DataFrame(rows, columns=["learning_rate", "steps", "forget", "retain"])


def picked(chosen, *keys):
    return tuple(chosen[key] for key in keys)


def test_a_method_takes_the_fewest_steps_that_reach_the_floor_though_more_have_lower_accuracy():
    flat = [
        (0.1, 1.0, step, forget, 0.99) for step, forget in ((6, 0.9), (12, 0.57), (18, 0.41), (24, 0.37), (60, 0.38))
    ]
    assert picked(choose_method(methods(*flat, floor=0.4), 0.05, 0.05), "steps", "forget") == (18, 0.41)
    assert choose_method(methods(*flat, floor=0.4), 0.05, 0.0)["steps"] == 24
    assert choose_method(methods(*flat, floor=0.55), 0.05, 0.05)["steps"] == 12


def test_the_floor_is_each_settings_own():
    table = methods((0.1, 1.0, 20, 0.40, 1.0), (0.2, 1.0, 10, 0.40, 1.0), (0.2, 1.0, 40, 0.20, 1.0))
    chosen = choose_method(table.assign(floor=[0.40, 0.25, 0.40]), 0.05, 0.05)
    assert picked(chosen, "learning_rate", "steps") == (0.1, 20)


def test_where_no_setting_reaches_the_floor_the_lowest_accuracy_stands_in_for_it():
    table = methods(
        (0.1, 1.0, 20, 0.50, 0.99), (0.1, 1.0, 40, 0.30, 0.95), (0.2, 1.0, 20, 0.10, 0.94), (0.2, 3.0, 20, 0.40, 1.0)
    )
    assert picked(choose_method(table, 0.05, 0.0), "learning_rate", "steps", "forget") == (0.1, 40, 0.30)
    assert picked(choose_method(table, 0.06, 0.0), "learning_rate", "steps", "forget") == (0.2, 20, 0.10)
    assert picked(choose_method(table, 0.05, 0.11), "retain_weight", "steps") == (3.0, 20)


def test_a_method_is_judged_by_the_mean_over_seeds():
    table = methods(
        (0.1, 1.0, 20, 0.20, 0.90), (0.1, 1.0, 20, 0.20, 1.00), (0.2, 1.0, 20, 0.00, 1.00), (0.2, 1.0, 20, 0.50, 1.00)
    )
    chosen = choose_method(table, 0.05, 0.0)
    assert picked(chosen, "learning_rate", "forget", "retain") == pytest.approx((0.1, 0.20, 0.95))


def test_of_equally_long_runs_the_one_that_keeps_most_is_chosen_then_the_one_that_forgets_most():
    table = methods(
        (0.1, 1.0, 60, 0.3, 1.0), (0.2, 1.0, 40, 0.31, 0.98), (0.1, 3.0, 40, 0.33, 0.99), (0.3, 3.0, 40, 0.31, 0.99)
    )
    assert picked(choose_method(table, 0.05, 0.05), "learning_rate", "forget") == (0.3, 0.31)


def test_when_no_setting_keeps_enough_the_one_that_keeps_most_is_chosen():
    table = methods((0.1, 1.0, 20, 0.10, 0.50), (0.1, 1.0, 40, 0.40, 0.80), (0.2, 1.0, 40, 0.30, 0.80))
    assert picked(choose_method(table, 0.05, 0.0), "learning_rate", "steps") == (0.2, 40)


def test_noise_is_the_largest_within_both_margins():
    table = noise((0.0, 0.30, 1.0), (1.0, 0.32, 1.0), (2.0, 0.35, 0.95), (3.0, 0.36, 1.0), (4.0, 0.30, 0.94))
    assert choose_noise(table, 0.05, 0.05)["noise_scale"] == 2.0
    assert choose_noise(table, 0.05, 0.06)["noise_scale"] == 3.0
    assert choose_noise(table, 0.06, 0.05)["noise_scale"] == 4.0


def test_noise_is_judged_against_plain_unlearning_by_the_mean_over_seeds():
    table = noise(
        (0.0, 0.2, 1.0), (0.0, 0.4, 1.0), (1.0, 0.3, 1.0), (1.0, 0.4, 1.0), (2.0, 0.36, 1.0), (2.0, 0.36, 1.0)
    )
    assert choose_noise(table, 0.05, 0.05)["noise_scale"] == 1.0


def test_when_no_noise_is_allowed_the_least_is_chosen_and_never_none():
    table = noise((0.0, 0.30, 1.0), (2.0, 0.80, 1.0), (1.0, 0.70, 1.0))
    assert choose_noise(table, 0.05, 0.05)["noise_scale"] == 1.0


def test_an_attack_recovers_most_anywhere_along_its_budget_where_retain_holds():
    table = attacks(
        (0.1, 0, 0.99, 1.0), (0.1, 2, 0.4, 1.0), (0.1, 5, 0.6, 0.95), (0.2, 2, 0.7, 0.95), (0.2, 5, 0.9, 0.6)
    )
    assert picked(choose_attack(table, 0.05), "learning_rate", "steps", "forget") == (0.2, 2, 0.7)
    assert picked(choose_attack(table, 0.5), "learning_rate", "steps", "forget") == (0.2, 5, 0.9)


def test_of_equal_attacks_the_smaller_rate_is_chosen_and_none_allowed_means_all():
    table = attacks((0.2, 2, 0.7, 0.2), (0.1, 2, 0.7, 0.1), (0.3, 2, 0.5, 0.3))
    assert choose_attack(table, 0.05)["learning_rate"] == 0.1


def test_the_table_says_where_choice_and_configuration_agree():
    config = study()
    for method in ("rmu", "rsv"):
        config["methods"][method] |= {"learning_rate": 1.0e-3, "retain_weight": 100.0, "steps": 60}
    config["defences"]["rna"]["parameters"]["noise_scale"] = 2.5
    config["attacks"]["relearn"]["parameters"]["learning_rate"] = 1.0e-3
    scores = {
        ("methods", "rmu"): methods((1.0e-3, 100.0, 60, 0.3, 1.0), (2.0e-3, 100.0, 60, 0.4, 1.0)),
        ("methods", "rsv"): methods((5.0e-4, 100.0, 20, 0.2, 1.0)),
        ("noise", "rmu"): noise((0.0, 0.3, 1.0), (2.5, 0.3, 1.0)),
        ("noise", "rsv"): noise((0.0, 0.3, 1.0), (1.0, 0.3, 1.0)),
        ("attack", "rmu"): attacks((1.0e-3, 5, 0.9, 1.0)),
        ("attack", "npo-kl"): attacks((2.0e-4, 5, 0.9, 1.0)),
    }
    choices = {key: choose(key[0], table, 0.05, 0.05) for key, table in scores.items()}
    table = chosen_table(choices, config).set_index(["kind", "method", "setting"])
    agrees = {
        ("methods", "rmu", "learning_rate"): True, ("methods", "rmu", "retain_weight"): True,
        ("methods", "rmu", "steps"): True, ("methods", "rsv", "learning_rate"): False,
        ("methods", "rsv", "retain_weight"): True, ("methods", "rsv", "steps"): False,
        ("noise", "rmu", "noise_scale"): True, ("noise", "rsv", "noise_scale"): False,
        ("attack", "rmu", "learning_rate"): True, ("attack", "npo-kl", "learning_rate"): False,
    }  # fmt: skip
    assert table["agrees"].to_dict() == agrees
    assert table.loc[("methods", "rsv", "steps"), ["chosen", "configured", "forget"]].tolist() == [20, 60, 0.2]


def test_noise_of_one_method_is_compared_with_that_methods_own():
    config = study()
    config["defences"]["rna"]["per_method"] = {"rsv": {"noise_scale": 1.0}}
    chosen = choose("noise", noise((0.0, 0.3, 1.0), (1.0, 0.3, 1.0)), 0.05, 0.05)
    table = chosen_table({("noise", "rsv"): chosen}, config)
    assert table["agrees"].tolist() == [True]


def test_tuning_asks_one_template_a_fact_of_the_select_split_only(monkeypatch):
    rows = [
        {"role": role, "split": split, "fact": f"{role}/{split}", "template": template}
        for role in ("forget", "retain", "neighbour")
        for split in ("relearn", "select", "test")
        for template in (0, 1)
    ]
    monkeypatch.setattr(tuning, "QuestionScorer", lambda tokenizer, table, batch_size: table)
    monkeypatch.setattr(tuning.KnowledgeScorer, "of", lambda tokenizer, table, batch_size: table)
    scorer = SelectScorer.of(None, pandas.DataFrame(rows), 8)
    for role in ("forget", "retain"):
        asked = getattr(scorer, role)
        assert asked[["role", "split", "template"]].values.tolist() == [[role, "select", 0]]


class Trained:
    """Stands in for a trainer: runs its steps, restores its weights."""

    def __init__(self, log, settings, row):
        self.log, self.settings, self.row, self.engine = log, settings, row, self
        self.weights, self.original = self, "original"

    def run(self, after):
        for done in range(1, self.settings["steps"] + 1):
            after(done)

    def release(self):
        self.log.append("original")


class Score:
    def __call__(self, model):
        return {"forget": 0.5, "floor": 0.4, "retain": 1.0}

    def keep_prefix(self, model, settings):
        pass

    @contextlib.contextmanager
    def whole(self):
        self.whole_model = True
        yield
        self.whole_model = False


@pytest.fixture
def search(monkeypatch):
    log = []
    monkeypatch.setattr(tuning, "make_trainer", lambda model, settings, row, caches, seed: Trained(log, settings, row))
    return Search(None, None, {}, None, Score(), 0, log.append)


def test_methods_are_scored_along_their_steps_with_equal_budget(search):
    found = search.methods(
        {"steps": 1, "layers": [1]}, {"learning_rate": [0.1, 0.2], "retain_weight": [1.0], "steps": 50}, 20
    )
    assert [(row["learning_rate"], row["steps"]) for row in found] == [(r, s) for r in (0.1, 0.2) for s in (20, 40, 50)]
    assert search.on_candidate.__self__.count("original") == 2


def test_noise_is_searched_beside_no_noise(search):
    entry = {"id": "rna", "kind": "rna", "parameters": {"noise_scale": 9.0}}
    found = search.noise({"layers": [1], "steps": 4}, entry, [1.0, 2.0])
    assert [row["noise_scale"] for row in found] == [0.0, 1.0, 2.0]
    assert {row["steps"] for row in found} == {4}
    assert search.trainer.row[0]["parameters"]["noise_scale"] == 2.0
    assert entry["parameters"]["noise_scale"] == 9.0


def defences(*rows):
    return pandas.DataFrame(rows, columns=["defence", "values", "forget", "retain", "relearned"])


def test_a_defence_lets_least_come_back_among_values_that_keep_both_margins():
    small, middle, large = (json.dumps({"radius": value}) for value in (1.0, 2.0, 4.0))
    table = defences(
        ("none", "{}", 0.40, 0.97, 0.80), ("sam", small, 0.41, 0.97, 0.70), ("sam", middle, 0.44, 0.96, 0.60),
        ("sam", large, 0.50, 0.97, 0.50), ("rs", small, 0.40, 0.90, 0.10), ("rs", large, 0.40, 0.80, 0.00),
    )  # fmt: skip
    chosen = choose("defences", table, 0.05, 0.05)
    assert list(chosen) == ["sam", "rs"]
    # The largest radius forgets too little; RS harms retain with every value, so the least harmful stands in.
    assert chosen["sam"] == {"values": {"radius": 2.0}, "forget": 0.44, "retain": 0.96, "relearned": 0.60,
                             "within_margin": True}  # fmt: skip
    assert chosen["rs"]["values"] == {"radius": 1.0} and not chosen["rs"]["within_margin"]
    config = study()
    config["defences"] |= {"sam": {"parameters": {"radius": 2.0}, "per_method": {"npo-kl": {"radius": 4.0}}},
                           "rs": {"parameters": {"radius": 1.0}, "per_method": {}}}  # fmt: skip
    rows = chosen_table({("defences", "npo-kl"): chosen, ("defences", "rmu"): chosen}, config)
    assert rows["setting"].tolist() == ["sam.radius", "rs.radius"] * 2
    assert rows["agrees"].tolist() == [False, True, True, True]


def test_defences_are_searched_beside_none_with_every_combination_and_attacked(search, monkeypatch):
    class Attack:
        def __init__(self, steps):
            self.steps = steps

        def run(self, attack):
            for step in self.steps:
                assert search.score.whole_model
                yield SimpleNamespace(model=None, budget={"steps": step})

    monkeypatch.setattr(tuning, "ATTACKS", {"relearn": Attack})
    seen, train = [], search._train
    search._train = lambda settings, row: (seen.append(row), train(settings, row))[1]
    rows = {"sam": [{"id": "sam", "kind": "sam", "parameters": {"radius": 9.0, "other": 5}}]}
    grids = {"sam": {"radius": [1.0, 2.0], "other": [5, 6]}}
    attack = {"kind": "relearn", "parameters": {"steps": [2, 5]}}
    found = search.defences({"layers": [1], "steps": 4}, rows, grids, attack)
    assert [row["defence"] for row in found] == ["none"] + ["sam"] * 4
    tried = [(part["parameters"]["radius"], part["parameters"]["other"]) for row in seen for part in row]
    assert tried == [(1.0, 5), (1.0, 6), (2.0, 5), (2.0, 6)] and seen[0] == []
    assert all(row["relearned"] == 0.5 for row in found) and search.on_candidate.__self__.count("original") == 5


def test_a_whole_model_is_scored_without_the_kept_prefix_which_comes_back():
    scorers = [SimpleNamespace(first_layer=5, prefix=[1]) for _ in range(2)]
    scorer = SelectScorer(SimpleNamespace(asked=scorers[0]), scorers[1])
    with scorer.whole():
        assert [(part.first_layer, part.prefix) for part in scorers] == [(0, [])] * 2
    assert [(part.first_layer, part.prefix) for part in scorers] == [(5, [1])] * 2


def test_a_stand_in_for_no_allowed_setting_is_flagged():
    harmful = noise((0.0, 0.3, 1.0), (1.0, 0.3, 0.8), (2.0, 0.3, 0.7))
    stand_in = choose("noise", harmful, 0.05, 0.05)
    assert stand_in == {"noise_scale": 1.0, "forget": 0.3, "retain": 0.8, "within_margin": False}
    assert choose("noise", harmful.assign(retain=1.0), 0.05, 0.05)["within_margin"]
    forgotten_less = noise((0.0, 0.3, 1.0), (1.0, 0.5, 1.0))
    assert not choose("noise", forgotten_less, 0.05, 0.05)["within_margin"]
