import shutil

import pytest

from unlearning_robustness.runtime import code_digest as digests

TRAIN = ("training.unlearning", "methods.rmu", "methods.kl")
ATTACK = ("attacks.run_attack", "attacks.relearn")
EVALUATE = ("scoring.questions", "scoring.records", "scoring.perplexity")


@pytest.fixture
def change(tmp_path, monkeypatch):
    """Replace text in a copy of the package and say whether a digest changed."""
    copied = tmp_path / digests.NAME
    shutil.copytree(digests.PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digests, "PACKAGE", copied)
    digests._module.cache_clear()

    def changes(modules, file, old, new):
        before = digests.code_digest(*modules)
        text = (copied / file).read_text()
        assert old in text
        (copied / file).write_text(text.replace(old, new, 1))
        digests._module.cache_clear()
        return digests.code_digest(*modules) != before

    yield changes
    digests._module.cache_clear()


# (file, text, other text): each changes what a function of the file computes.
EDITS = {
    "rmu": ("methods/rmu.py", "self.coefficient * inputs.direction", "2 * self.coefficient * inputs.direction"),
    "rsv": ("methods/rsv.py", "self.coefficient * inputs.direction", "2 * self.coefficient * inputs.direction"),
    "retain": ("methods/kl.py", "masked_mean(divergence, mask)", "2 * masked_mean(divergence, mask)"),
    "loop": (
        "training/trainer.py",
        "self.optimiser.zero_grad()",
        "self.optimiser.zero_grad(); self.optimiser.zero_grad()",
    ),
    "loss inputs": ("methods/loss_inputs.py", ".pow(2).mean(-1)", ".abs().mean(-1)"),
    "weights": ("engine/weights.py", "after.float() - reference", "after.float() + reference"),
    "choice": ("scoring/multiple_choice.py", "tril_()", "triu_()"),
    "perplexity": ("scoring/likelihood.py", "math.exp(total / count)", "total / count"),
    "relearn": ("attacks/relearn.py", '!= "facts"', '== "facts"'),
    "records": ("scoring/records.py", 'compression="zstd"', 'compression="snappy"'),
    "tables": ("analysis/relearning.py", "gain=", "gian="),
    "figure": ("figures/accuracy.py", "markersize=4", "markersize=5"),
    "style": ("figures/style.py", "linewidth=1", "linewidth=2"),
    "method builder": ("methods/method.py", 'tuple(settings["layers"])', 'tuple(settings["layers"][:1])'),
    "defence builder": ("defences/row.py", "for entry in row]", "for entry in row[:1]]"),
    "tuning": ("evaluation/tuning.py", "ascending=[False, True]", "ascending=[True, True]"),
}


@pytest.mark.parametrize("edit", ["rmu", "retain", "loop", "loss inputs", "weights", "perplexity"])
def test_training_depends_on_the_code_it_runs(change, edit):
    assert change(TRAIN, *EDITS[edit])


@pytest.mark.parametrize("edit", ["method builder", "defence builder"])
def test_training_depends_on_how_methods_and_defences_are_built(change, edit):
    assert change(TRAIN, *EDITS[edit])


@pytest.mark.parametrize("edit", ["rsv", "tables", "figure", "style", "relearn", "tuning"])
def test_training_does_not_depend_on_other_methods_attacks_or_analysis(change, edit):
    assert not change(TRAIN, *EDITS[edit])


@pytest.mark.parametrize("edit", ["choice", "perplexity", "records"])
def test_evaluation_depends_on_scoring(change, edit):
    assert change(EVALUATE, *EDITS[edit])


@pytest.mark.parametrize("edit", ["relearn", "choice", "records"])
def test_an_attack_depends_on_its_code_and_on_scoring(change, edit):
    assert change(ATTACK, *EDITS[edit])


@pytest.mark.parametrize("edit", ["tables", "figure", "style", "rmu", "rsv"])
def test_an_attack_depends_on_no_method_and_no_analysis(change, edit):
    assert not change(ATTACK, *EDITS[edit])


@pytest.mark.parametrize("edit", ["tables", "figure"])
def test_evaluation_does_not_depend_on_analysis(change, edit):
    assert not change(EVALUATE, *EDITS[edit])


DOCSTRING = '        """The steering direction u (d,)."""\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DOCSTRING, DOCSTRING + "        # a remark\n"),
        (DOCSTRING, DOCSTRING.replace("steering", "chosen")),
        (DOCSTRING, ""),
        (DOCSTRING, DOCSTRING + "\n\n"),
        ("\n    coefficient: NonNegative", "\n    coefficient:   NonNegative"),
    ],
    ids=["comment", "docstring", "docstring removed", "blank lines", "spaces"],
)
def test_comments_docstrings_and_layout_do_not_count(change, old, new):
    assert not change(TRAIN, "methods/rmu.py", old, new)


@pytest.mark.parametrize(
    ("modules", "file", "old", "new"),
    [
        (("training.unlearning", "defences.rna"), "defences/rna.py", '"#56B4E9"', '"#123456"'),
        (
            ("training.unlearning", "defences.rna"),
            "defences/rna.py",
            "noise_scale: NonNegative",
            "noise_scale: Positive",
        ),
        (("training.unlearning", "defences.rna"), "config/ranges.py", "value >= bound", "value > bound"),
        (("training.unlearning", "defences.sam"), "defences/facts.py", "return 1", "return 2"),
        (ATTACK, "attacks/relearn.py", 'len(settings["documents"])', '2 * len(settings["documents"])'),
        (ATTACK, "models/shape.py", "KEPT_ACTIVATIONS = 16", "KEPT_ACTIVATIONS = 17"),
    ],
)
def test_what_a_kind_declares_for_checks_plans_and_figures_does_not_count(change, modules, file, old, new):
    assert not change(modules, file, old, new)


def test_the_order_in_which_modules_are_named_does_not_count():
    assert digests.code_digest(*TRAIN) == digests.code_digest(*reversed(TRAIN))
