import re
from dataclasses import replace

import pytest
from quick import slow_but
from synthetic import ONLY_RMU, benchmark_report, planted_accuracy, planted_context, study
from worlds import default_world, study_world

from unlearning_robustness.report import findings
from unlearning_robustness.report.benchmark_findings import benchmark
from unlearning_robustness.report.recovery_findings import recovery
from unlearning_robustness.report.settings_findings import settings
from unlearning_robustness.report.unlearning_findings import repair, token_effect
from unlearning_robustness.report.words import verdict

RMU = [
    {"methods": ["reference"], "defences": ["none"], "attacks": ["none", "relearn"]},
    {"methods": ["rmu"], "defences": ["none", "rna"], "attacks": ["none", "relearn"]},
]


def world(token=0.0, forget=0.0, start=0.35, gain=0.0):
    """Plain RMU under a forget token is at 0.7; RNA changes that by ``token``, forgetting and recovery likewise."""

    def accuracy(cell, attack, role, probe, steps):
        rna = cell.defence == "rna"
        if cell.method == "reference":
            return 1.0
        if role == "forget":
            return start + 0.02 * steps + rna * (forget + (gain if steps else 0))
        return 0.7 + token * rna if probe == "forget-token" else 0.95

    return accuracy


def context_of(tmp_path, accuracy=planted_accuracy, cells=RMU, report=None, **changes):
    context = planted_context(study(cells, **changes), tmp_path, accuracy)
    return replace(context, benchmark=report or benchmark_report())


def only(lines, *parts):
    found = [line for line in lines if all(part in line for part in parts)]
    assert len(found) == 1, lines
    return found[0]


@pytest.mark.parametrize(
    ("token", "reading"),
    [(0.2, "RNA is more robust"), (-0.2, "RNA is less robust"), (0.0, "no difference is shown")],
)
def test_what_rna_does_under_a_forget_token_is_said_as_it_is(tmp_path, token, reading):
    line = only(repair(context_of(tmp_path, world(token=token))), "RMU, RNA − plain unlearning")
    assert reading in line
    others = {"RNA is more robust", "RNA is less robust", "no difference is shown"} - {reading}
    assert not any(other in line for other in others)


@pytest.mark.parametrize(
    ("forget", "level"),
    [(0.2, "while forgetting less"), (-0.2, "while forgetting more"), (0.0, "not shown to differ")],
)
def test_the_forget_level_is_said_beside_it(tmp_path, forget, level):
    assert level in only(repair(context_of(tmp_path, world(token=0.2, forget=forget))), "plain unlearning")


def test_a_difference_with_zero_in_its_interval_is_not_claimed(tmp_path):
    page = context_of(tmp_path, world(token=0.01))
    row = page.tables["differences"].query("role == 'retain' and probe == 'forget-token'").iloc[0]
    assert row["mean"] > 0
    assert row["low"] <= 0
    assert "no difference is shown" in only(repair(page), "plain unlearning")


def test_a_verdict_follows_the_side_of_zero_of_the_interval():
    words = ("more", "less", "same")
    assert verdict({"low": 0.1, "high": 0.2}, *words) == "more"
    assert verdict({"low": -0.2, "high": -0.1}, *words) == "less"
    assert verdict({"low": -0.1, "high": 0.1}, *words) == "same"
    assert verdict({"low": 0.0, "high": 0.1}, *words) == "same"


def test_numbers_in_the_sentences_are_those_of_the_tables(tmp_path):
    page = context_of(tmp_path, world(token=0.2))
    pair = page.tables["differences"].set_index(["first", "second", "role", "probe"])
    row = pair.loc[("rna", "none", "retain", "forget-token")]
    said = [float(number) for number in re.findall(r"[+-]\d+\.\d", only(repair(page), "plain unlearning"))][:3]
    assert said == pytest.approx([100 * row[name] for name in ("mean", "low", "high")], abs=0.051)


@pytest.mark.parametrize(
    ("plain", "neutral", "reading"),
    [(0.7, 0.95, "more harm than a neutral token"), (0.95, 0.95, "not distinguishable"), (0.95, 0.7, "less harm")],
)
def test_a_forget_token_is_judged_against_a_neutral_one(tmp_path, plain, neutral, reading):
    def accuracy(cell, attack, role, probe, steps):
        return {"forget-token": plain, "neutral-token": neutral}.get(probe, 0.95) if cell.method == "rmu" else 1.0

    lines = token_effect(context_of(tmp_path, accuracy))
    assert reading in only(lines, "RMU:")
    assert "not distinguishable" in only(lines, "The reference:")


@pytest.mark.parametrize(
    ("gain", "reading"), [(0.3, "brings back more"), (-0.3, "brings back less"), (0.0, "no difference in what")]
)
def test_how_fast_knowledge_comes_back_is_said_as_it_is(tmp_path, gain, reading):
    assert reading in only(recovery(context_of(tmp_path, world(gain=gain))), "RNA's forget accuracy")


def test_a_higher_start_alone_is_no_greater_recovery(tmp_path):
    lines = recovery(context_of(tmp_path, world(forget=0.3)))
    assert not any("brings back more" in line for line in lines)


def test_curves_are_reported_with_start_early_and_last_point(tmp_path):
    page = context_of(tmp_path, world())
    lines = recovery(page)
    for name in ("The reference itself", "RMU, plain unlearning", "RMU, RNA"):
        line = only(lines, f"{name}: forget accuracy")
        assert "after 0, " in line
        assert "after 5 and" in line
        assert "after 15 relearning steps" in line
    curve = page.tables["relearning"].query("method == 'rmu' and defence == 'none' and steps == 0").iloc[0]
    assert f"{100 * curve['mean']:.0f} % [" in only(lines, "RMU, plain unlearning: forget")


def test_the_control_with_wrong_answers_is_reported_beside_the_right_ones():
    assert "*wrong* answers" in only(recovery(default_world().context), "Control, RMU with RNA")


OTHERS = ["none", "relearn", "relearn-shuffled", "relearn-benign", "relearn-seen", "relearn-lora", "relearn-few"]


def test_every_other_relearning_attacker_is_reported_once_with_what_it_changes(tmp_path):
    page = context_of(tmp_path, world(), [*ONLY_RMU, {"methods": ["rmu"], "defences": ["none"], "attacks": OTHERS}])
    lines = recovery(page)
    gaps = page.tables["recovery"].query("quantity == 'gap' and method == 'rmu'").set_index("attack")
    assert {"relearn", "relearn-shuffled"} < set(gaps.index)
    for attack in ("relearn-benign", "relearn-seen", "relearn-lora"):
        line = only(lines, f"RMU, plain unlearning, {page.attack_label(attack)} (60 documents): ")
        assert f"changes by {100 * gaps.loc[attack, 'mean']:+.1f} points [" in line and " in 15 steps" in line
    few = [line for line in lines if "on few documents" in line]
    assert [line.split("documents (")[1].split(")")[0] for line in few] == [
        "5 documents",
        "10 documents",
        "20 documents",
    ]
    assert len([line for line in lines if "accuracy changes by" in line]) == 3 + len(few)


@pytest.mark.parametrize(
    ("gain", "said"), [(0.02, "taught, not recovered"), (0.0, "not even teaching"), (-0.02, "not even")]
)
def test_teaching_what_is_asked_is_the_attackers_positive_control(tmp_path, gain, said):
    def accuracy(cell, attack, role, probe, steps):
        return 1.0 if cell.method == "reference" else 0.4 + gain * steps

    cells = [*ONLY_RMU, {"methods": ["rmu"], "defences": ["none"], "attacks": OTHERS}]
    lines = [line for line in recovery(context_of(tmp_path, accuracy, cells)) if "accuracy changes by" in line]
    assert said in only(lines, "teaching what is asked")
    assert len([line for line in lines if "taught" in line or "teaching" in line]) == 1


def test_the_default_study_names_every_method_and_says_what_it_cannot_say():
    text = findings.page(default_world().context)
    for label in ("RMU", "RSV", "NPO+KL"):
        assert f"- {label} leaves forget accuracy at" in text
    assert text.count("\n## ") == 8
    assert "not evidence of equality" in text
    assert "nan" not in text.lower()
    assert "None" not in text


@pytest.mark.parametrize(("known", "guessed"), [(0.9, True), (1.0, False)])
def test_lucky_guesses_are_reported_only_when_there_were_some(tmp_path, known, guessed):
    report = benchmark_report()
    for role in ("forget", "retain", "neighbour"):
        report[role] = {**report[role], "redrawn_accuracy": known}
    lines = benchmark(context_of(tmp_path, world(), ONLY_RMU, report))
    assert any("lucky guesses" in line for line in lines) == guessed
    assert f"{100 * known:.0f} %" in lines[0]


def test_a_dropped_neighbour_domain_is_said_to_be_dropped(tmp_path):
    report = benchmark_report(neighbour={"facts_known": 12, "facts_asked": 200, "redrawn_accuracy": 1, "dropped": True})
    assert "knows only 12 facts" in only(benchmark(context_of(tmp_path, cells=ONLY_RMU, report=report)), "Neighbour")


def test_a_study_without_attacks_says_so(tmp_path):
    cells = [RMU[0] | {"attacks": ["none"]}, RMU[1] | {"attacks": ["none"]}]
    page = context_of(tmp_path, world(), cells, seeds=[0])
    assert recovery(page) == ["This study attacks no cell."]
    assert "1 seed" in findings.page(page)


def test_a_study_without_defences_says_so(tmp_path):
    page = context_of(tmp_path, world(), ONLY_RMU, seeds=[0])
    assert repair(page) == ["This study has no RNA cells."]
    assert "This study attacks no cell." in findings.page(page)


def test_an_attacked_combination_of_defences_is_named_by_its_parts(tmp_path):
    cells = [*ONLY_RMU, {"methods": ["rmu"], "defences": ["rna.gradient-noise"], "attacks": ["none", "relearn"]}]
    only(recovery(context_of(tmp_path, world(), cells)), "RMU, RNA + gradient noise: forget accuracy")


def test_published_questions_are_said_to_be_asked_whether_known_or_not(tmp_path):
    entry = {"facts_asked": 200, "facts_known": 80, "dropped": False}
    report = benchmark_report(forget=entry, retain=entry, neighbour=entry)
    found = context_of(tmp_path, world(), ONLY_RMU, report)
    assert "80 of 200 questions, and is asked whether it knew them or not" in benchmark(found)[0]
    assert "Asked again" not in " ".join(benchmark(found))
    assert not any("by construction" in line for line in findings.limits(found))
    assert any("by construction" in line for line in findings.limits(default_world().context))


@pytest.mark.parametrize("name", slow_but(("ci", "rna", "muse"), ("ci", "full", "rna", "stableun", "muse")))
def test_every_study_gets_its_page(name):
    """Also one that attacks the reference with wrong answers: that control is about unlearned models."""
    world = study_world(name)
    page = findings.page(world.context)
    assert f"# {world.config['study']['title']}" in page and "KeyError" not in page
    shuffled = [line for line in page.splitlines() if "*wrong* answers" in line]
    assert bool(shuffled) == (name == "full") and not any("Control, reference" in line for line in shuffled)


@pytest.mark.parametrize(("cosines", "idle"), [((0.9995, 0.9999, 0.9997), True), ((0.9995, 0.9, 0.9997), False)])
def test_a_defence_that_takes_the_plain_gradient_under_every_seed_is_said_not_to_act(tmp_path, cosines, idle):
    page = context_of(tmp_path, world())
    measured = page.tables["measures"]
    assert not any("did not act" in line for line in settings(page))
    page.tables["measures"] = measured.assign(cosine_gpn=0.5, cosine_sap=[
        cosines[row.seed] if (row.method, row.defence) == ("rmu", "rna") else None for row in measured.itertuples()
    ])  # fmt: skip
    lines = [line for line in settings(page) if "did not act" in line]
    assert len(lines) == idle and all("RMU with RNA: SAP did not act" in line and "0.9995" in line for line in lines)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_how_often_a_projection_had_anything_to_do_is_said(tmp_path, share):
    page = context_of(tmp_path, world())
    measured = page.tables["measures"]
    page.tables["measures"] = measured.assign(conflicting_steps=[
        share if (row.method, row.defence) == ("rmu", "rna") else None for row in measured.itertuples()
    ])  # fmt: skip
    line = only(settings(page), "RMU with RNA: its two branches")
    assert line.endswith(f"in {100 * share:.0f} % of the steps.")


@pytest.mark.parametrize(
    ("shares", "said"),
    [([0.0, 0.0], "No answer without an attack is an exact tie"), ([0.0, 0.02], "1 % of the answers .* at most 2 %")],
)
def test_exact_ties_are_counted_where_accuracy_is_judged(tmp_path, shares, said):
    page = context_of(tmp_path, world(), ONLY_RMU)
    table = page.tables["accuracy"].head(2)
    page.tables["accuracy"] = table.assign(tied=shares)
    assert any(re.match(said, line) for line in findings.limits(page))


def test_the_search_for_the_attack_and_its_teaching_control_are_reported(tmp_path):
    page = context_of(tmp_path, world())
    lines = recovery(page)
    assert "of 2 settings learning_rate 0.0005, trained full, 10 steps leaves it most" in only(
        lines, "The reference under"
    )
    line = only(lines, "RMU, plain unlearning: of 2 settings")
    assert "70 % of the forget facts at 95 % of the retain facts, where the reference keeps 80 %" in line
    assert "flatters that by 5 points there" in line and "raise it from 40 % to 90 %." in line
    page.tables["attack_validity"].loc[:, ["taught", "valid"]] = [0.45, False]
    assert "from 40 % to 45 %: so little that the attack is invalid" in only(
        recovery(page), "RMU, plain unlearning: of 2"
    )
