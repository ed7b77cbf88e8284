"""What a study needs of its texts and questions, and what the configuration itself shows to be too much."""

from refusals import message_of

from unlearning_robustness.config import resolve
from unlearning_robustness.config.demands import question_demands, text_demands


def demands_of(config):
    """Key to number of the texts and of the questions that the resolved configuration asks for."""
    resolved = resolve(config)
    texts = {(demand["key"], *demand["corpora"]): demand["least"] for demand in text_demands(resolved, "elements")}
    asked = {(demand["key"], demand["role"], demand["split"]): demand["least"] for demand in question_demands(resolved)}
    return texts, asked


def attacked(config, *attacks):
    config["study"]["cells"].append({"methods": ["rmu"], "defences": ["none"], "attacks": list(attacks)})
    return config


def test_the_default_study_needs_batches_documents_and_questions_to_match_on(config):
    texts, asked = demands_of(config)
    assert texts == {
        **{(f"methods.{name}.batch_size", corpus): 4 for name in ("rmu", "rsv", "npo-kl")
           for corpus in ("forget", "retain")},
        ("attacks.relearn.parameters.documents", "relearn"): 60,
        ("attacks.relearn.parameters.documents", "seen"): 60,
    }  # fmt: skip
    searched = {("searches.relearning", "forget", "select"): 2, ("searches.relearning", "retain", "select"): 1}
    assert asked == {("defences.early-stop", "forget", "select"): 2, **searched}


def test_every_attack_says_what_it_needs(config):
    texts, asked = demands_of(
        attacked(
            config, "prune", "gcg", "few-shot", "few-shot-outside", "soft-prompt", "relearn-benign", "orthogonalise"
        )
    )
    assert texts["attacks.prune.parameters.texts", "relearn"] == 128
    assert texts["attacks.prune.parameters.texts", "retain"] == 128
    assert texts["attacks.relearn-benign.parameters.documents", "benign"] == 60
    assert asked["attacks.gcg.parameters.held_out", "forget", "select"] == 36
    assert asked["attacks.few-shot.parameters.shots", "forget", "relearn"] == 8
    assert asked["attacks.few-shot-outside.parameters.shots", "retain", "select"] == 9
    assert asked["attacks.soft-prompt.parameters.batch_size", "forget", "relearn"] == 8
    assert asked["attacks.orthogonalise", "retain", "select"] == 1


def test_a_model_that_learns_texts_needs_a_batch_of_them(config):
    learnt = {"benchmark": "elements", "corpora": ["forget", "retain"], "steps": 2, "learning_rate": 1e-4}
    config["models"]["fluent"] = {
        "from": "smollm2-135m-instruct", "memorised": {**learnt, "batch_size": 9, "tokens": 8}
    }  # fmt: skip
    texts, _ = demands_of(config)
    assert texts["models.fluent.memorised.batch_size", "forget", "retain"] == 9


def test_what_the_configuration_shows_to_be_too_much_is_refused_there(config):
    config["benchmarks"]["elements"]["corpora"]["benign_documents"] = 50
    resolve(config)
    message = message_of(attacked(config, "relearn-benign"))
    assert message.startswith("attacks.relearn-benign.parameters.documents: 60 texts of benign are needed")
    assert "benchmarks.elements.corpora.benign_documents says 50" in message
