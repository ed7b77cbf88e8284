"""The Python interface: a tiny model is loaded, unlearns, is attacked and asked, as the workflow does it."""

import numpy
import pytest
import torch
from hub_server import COMMIT, serving

from unlearning_robustness import interface
from unlearning_robustness.data.model_folder import write_folder
from unlearning_robustness.errors import StudyError
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import COLUMNS

NAMES = ("Arbo", "Belt", "Cirn", "Dusk")
CHOICES = ["north", "south"]
ROWS = [{"prompt": f"The way to {name} is", "choices": CHOICES, "answer": n % 2} for n, name in enumerate(NAMES)]
FORGET = [f"The way to {name} is {CHOICES[n % 2]}." for n, name in enumerate(NAMES)]
RETAIN = ["Rivers run to the sea.", "Rain falls from clouds.", "Bread is baked.", "Lamps give light."]


@pytest.fixture(scope="module")
def loaded(make_model, tiny_tokenizer):
    return interface.Loaded(make_model(seed=1), tiny_tokenizer, "tiny")


@pytest.fixture(scope="module")
def asked():
    return interface.questions(ROWS)


@pytest.fixture(scope="module")
def unlearned(loaded):
    before = {name: tensor.clone() for name, tensor in loaded.model.named_parameters()}
    done = interface.unlearn(loaded, FORGET, RETAIN, defence="rna-scaled", seed=3, steps=4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.named_parameters())
    return done


def right(records):
    """The mean log-likelihood of the right choice."""
    return numpy.mean([row.log_likelihoods[row.answer] for row in records.itertuples()])


def test_answers_are_those_of_the_scorer_and_have_the_columns_of_records(loaded, asked):
    records = interface.ask(loaded, asked)
    assert tuple(records.columns) == COLUMNS and len(records) == len(ROWS)
    expected = QuestionScorer(loaded.tokenizer, asked, 2).log_likelihoods(loaded.model)
    numpy.testing.assert_allclose(numpy.stack(records["log_likelihoods"]), expected, rtol=1e-5)
    assert set(records["method"]) == {"reference"} and set(records["model"]) == {"tiny"}


def test_unlearning_moves_the_layers_that_the_settings_scale_to_the_model(loaded, unlearned):
    assert sorted(unlearned.tensors) == [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 1)]
    assert len(unlearned.history) == unlearned.facts["steps"] == 4 and unlearned.facts["relative_noise_scale"] > 0
    again = interface.unlearn(loaded, FORGET, RETAIN, defence="rna-scaled", seed=3, steps=4)
    assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in unlearned.tensors.items())
    plain = interface.unlearn(loaded, FORGET, RETAIN, seed=3, steps=4)
    assert not torch.equal(plain.tensors["model.layers.1.mlp.down_proj.weight"],
                           unlearned.tensors["model.layers.1.mlp.down_proj.weight"])  # fmt: skip


def test_relearning_starts_from_the_unlearned_model_and_teaches_what_its_texts_say(loaded, asked, unlearned):
    steps = {"steps": [0, 30], "learning_rate": 1e-2, "trained": "full"}
    records = interface.attack(loaded, asked, FORGET, unlearned.tensors, **steps)
    assert sorted(set(zip(records["documents"], records["steps"], strict=True))) == [(4, 0), (4, 30)]
    start, end = (part for _, part in records.groupby("steps"))
    bare = interface.ask(loaded, asked, unlearned.tensors)
    numpy.testing.assert_array_equal(numpy.stack(start["log_likelihoods"]), numpy.stack(bare["log_likelihoods"]))
    assert set(end["method"]) == {"unlearned"}
    assert right(end) > right(start) + 5
    numpy.testing.assert_array_equal(
        numpy.stack(interface.ask(loaded, asked, unlearned.tensors)["log_likelihoods"]),
        numpy.stack(bare["log_likelihoods"]),
    )


def test_an_attack_without_texts_runs_too(loaded, asked):
    records = interface.attack(loaded, asked, attack="quantise", bits=[0, 4])
    assert len(records) == 2 * len(ROWS) and set(records["attack"]) == {"quantise"}


def test_a_saved_model_is_loaded_with_its_tensors(loaded, asked, unlearned, tmp_path):
    interface.save(loaded, tmp_path / "kept", unlearned.tensors)
    kept = interface.load(tmp_path / "kept")
    assert kept.name == "kept"
    for name, tensor in unlearned.tensors.items():
        assert torch.equal(kept.model.get_parameter(name), tensor)
    ours, theirs = interface.ask(kept, asked), interface.ask(loaded, asked, unlearned.tensors)
    numpy.testing.assert_allclose(*(numpy.stack(rows["log_likelihoods"]) for rows in (ours, theirs)), rtol=1e-6)
    with pytest.raises(StudyError, match="is there already; give another folder"):
        interface.save(loaded, tmp_path / "kept")


def test_a_folder_that_transformers_wrote_is_loaded_and_left_alone(loaded, tmp_path):
    write_folder(loaded.model, loaded.tokenizer, tmp_path / "plain", {})
    (tmp_path / "plain" / "manifest.json").unlink()
    files = sorted(path.name for path in (tmp_path / "plain").iterdir())
    model = interface.load(tmp_path / "plain").model
    assert all(torch.equal(model.get_parameter(name), own) for name, own in loaded.model.named_parameters())
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == files


REFUSED = {
    "methods: no 'forget'; there are: rmu,": {"method": "forget"},
    "methods.adaptive-rmu.steps: must be an integer, not 'many'": {"steps": "many"},
    "methods.adaptive-rmu: unknown key 'step'": {"step": 3},
    "study.cells.0.defences: 'none-such' is not defined under defences": {"defence": "none-such"},
    "defence same-distance: it is matched to another cell": {"defence": "same-distance"},
    "forget: 2 texts, a batch takes 4; give more, or lower batch_size": {"forget": FORGET[:2]},
}


def test_a_model_of_the_hub_is_loaded_by_its_name(loaded, tmp_path, monkeypatch):
    write_folder(loaded.model, loaded.tokenizer, tmp_path / "saved", {})
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add("lab/tiny", COMMIT, {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()})
        there = interface.load(f"lab/tiny@{COMMIT}")
        with pytest.raises(StudyError, match="lab/other") as refused:
            interface.load(f"lab/other@{COMMIT}")
    assert there.name == "tiny" and "\n" not in str(refused.value)
    assert all(torch.equal(tensor, there.model.get_parameter(name)) for name, tensor in loaded.model.named_parameters())
    with pytest.raises(StudyError, match="'nowhere' is no folder and no owner/name of the hub; correct it"):
        interface.load("nowhere")


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_unlearned_is_refused_in_one_line(loaded, said):
    given = {"forget": FORGET, "retain": RETAIN, **REFUSED[said]}
    with pytest.raises(StudyError) as refused:
        interface.unlearn(loaded, given.pop("forget"), given.pop("retain"), **given)
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "", "choices": CHOICES, "answer": 0}, "question 2: give prompt, two choices or more, and answer"),
        ({"prompt": "a", "choices": CHOICES[:1], "answer": 0}, "question 2: "),
        ({"prompt": "a", "choices": CHOICES, "answer": 2}, "question 2: "),
        ({"prompt": "a", "choices": CHOICES}, "question 2: "),
    ],
)
def test_what_is_no_question_is_refused(row, said):
    with pytest.raises(StudyError, match=said):
        interface.questions([ROWS[0], row])


def test_what_cannot_be_attacked_is_refused(loaded, asked, tmp_path):
    with pytest.raises(StudyError, match="attacks: no 'hope'; there are: relearn"):
        interface.attack(loaded, asked, attack="hope")
    with pytest.raises(StudyError, match=r"attacks.relearn.parameters.pace: unknown parameter of relearn"):
        interface.attack(loaded, asked, FORGET, pace=3)
    with pytest.raises(StudyError, match="relearn needs 9 documents, the corpus relearn has 4"):
        interface.attack(loaded, asked, FORGET, documents=[9])
    with pytest.raises(StudyError, match="is no folder"):
        interface.load(tmp_path / "absent")
    with pytest.raises(StudyError, match="decided_by: no 'vote'; there are: sum, token-mean, byte-mean"):
        interface.questions(ROWS, decided_by="vote")
    with pytest.raises(StudyError, match="there are no questions"):
        interface.questions([])
