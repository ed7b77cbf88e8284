import pandas
import pytest

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.evaluation.latents import asked_questions, label_latents, measure_latents

SETTINGS = {
    "read_layer": 2, "plain_probe": "plain", "forget_probe": "forget", "neutral_probe": "neutral",
    "other_neutral_probe": "other", "questions": 5, "hessian_questions": 3, "hessian_draws": 2,
    "noise_scales": [0.1, 0.2], "noise_draws": 2, "eta_position": "answer",
}  # fmt: skip
WORDS = {"plain": "", "forget": ("Tin", "Ore"), "neutral": ("Cup", "Pan"), "other": ("Hat", "Mug")}


@pytest.fixture
def probes():
    rows = []
    for number, place in enumerate(("Oslo", "Rome", "Lima", "Chad", "Peru", "Kyiv", "Bern")):
        for probe, word in WORDS.items():
            for role in ("retain", "forget"):
                prompt = f"{word and word[number % 2] + '. '}The sea of {place} is"
                rows.append({"question": f"{role}/{number}", "role": role, "probe": probe, "answer": 1,
                             "prompt": prompt, "choices": ["old", "new", "dry", "wet"]})  # fmt: skip
    return pandas.DataFrame(rows)


def test_retain_questions_are_asked_under_every_probe_and_limited(probes):
    asked = asked_questions(probes, SETTINGS)
    assert len(asked) == 5 and set(asked.columns) == {"forget", "neutral", "other"}
    assert all(name.startswith("retain/") for name in asked.index)
    assert asked["forget"].str.startswith(("Tin. ", "Ore. ")).all()
    assert list(asked.index) == list(asked_questions(probes, SETTINGS).index)


def test_both_contrasts_and_the_curvature_are_measured(tiny_model, tiny_tokenizer, probes):
    table = measure_latents(tiny_model, tiny_tokenizer, probes, SETTINGS, seed=0)
    assert set(table["contrast"]) == {"forget", "neutral", "noise"}
    noise = table[table["contrast"] == "noise"].set_index(["statistic", "at"])
    trace = noise.loc[("hessian_trace", 0.0), "value"]
    assert noise.loc[("predicted_increase", 0.2), "value"] == pytest.approx(0.02 * trace)
    assert set(noise.index) == {("hessian_trace", 0.0)} | {
        (name, scale) for name in ("loss_increase", "predicted_increase") for scale in (0.1, 0.2)
    }
    scales = table[(table["statistic"] == "eta") & (table["position"] == "answer")]
    assert len(scales) == 2 * 4 and scales["value"].gt(0).all()
    labelled = label_latents(table, Cell("m", "b", "rmu", "none", 3))
    assert set(labelled["seed"]) == {3} and len(labelled) == len(table)
