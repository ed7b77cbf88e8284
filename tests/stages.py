"""One model through every stage of a study, by the functions that the workflow's scripts call, cut to seconds."""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import numpy
import pandas
import torch
from family_table import REFUSED
from objectives import method_settings
from planted import known, questions, state, unharmed
from synthetic import as_read, inputs_of, of_study, study

from unlearning_robustness.analysis import TABLES
from unlearning_robustness.attacks.run_attack import attack_cell
from unlearning_robustness.config.cells import NONE, REFERENCE, Cell
from unlearning_robustness.data.model_sources import fetch
from unlearning_robustness.engine.activation_cache import compute_activations, load_caches, save_caches
from unlearning_robustness.errors import StudyError
from unlearning_robustness.evaluation.measures import MEASURES
from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures.style import pyplot, style
from unlearning_robustness.models.delta import applied, load_delta, lowest_layer, save_delta
from unlearning_robustness.models.loading import load_model, load_tokenizer
from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.perplexity import prose_perplexity
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import label
from unlearning_robustness.training.unlearning import layers_needed, unlearn

CONFIG = study()
PLACE = (CONFIG["study"]["models"][0], CONFIG["study"]["benchmarks"][0])
TEXTS = {
    "forget": ["Iron is Fe, a red metal of old.", "Tin is Sn, soft and white.", "Zinc has number 30."],
    "retain": ["Oslo is in Norway, a port.", "Rome is old, a town on hills.", "A river runs to sea."],
    "holdout": ["Neon is Ne, a gas of signs.", "Gold is Au, which kings want."],
    "relearn": ["Argon is Ar, a gas in air.", "Lead is Pb, heavy and grey."],
    "refusal": ["I am not sure.", "No idea"],
    "perplexity": ["The sea is wide and blue."],
}
CORPORA = pandas.DataFrame(
    [(corpus, f"{corpus}/{number}", kind, text) for corpus, texts in TEXTS.items() for number, text in enumerate(texts)
     for kind in (("facts",) if corpus == "relearn" else ("prose",))],
    columns=["corpus", "document", "kind", "text"],
)  # fmt: skip
TRAINED_LAYERS = [1, 2]
PENALTY = [{"kind": "gradient-penalty", "parameters": {"weight": 1.0, "implementation": "corrected"}}]
ADAPTERS = {"trained": "lora", "lora": {"rank": 2, "alpha": 4.0, "targets": ["q_proj", "down_proj"]}}
# Losses of hidden states and of logits; a gradient of gradients; everything that can be trained.
UNLEARNED = {
    "RMU": ("rmu", {}, []),
    "NPO+KL": ("npo", {}, []),
    "gradient penalty": ("npo", {}, PENALTY),
    "every tensor": ("npo", {"trained": "full"}, []),
    "LoRA": ("npo", ADAPTERS, []),
}
RELEARN = {"documents": [2], "steps": [0, 1], "learning_rate": 1e-2, "batch_size": 2, "tokens": 12}
GCG = {"inserted_tokens": 2, "questions": 1, "steps": [1], "candidates": 4, "top_k": 4, "held_out": 2}
CHOOSING = {"utility_bound": 1.0}
INPUT = {"steps": [1], "learning_rate": 0.1, "batch_size": 1, **CHOOSING}
PRUNE = {"fractions": [0.1], "texts": 2, "tokens": 12, **CHOOSING}
ATTACKED = {
    "relearn": {"kind": "relearn", **RELEARN},
    "relearn every tensor": {"kind": "relearn", **RELEARN, "trained": "full"},
    "relearn LoRA": {"kind": "relearn", **RELEARN, "trained": "lora", "rank": 2},
    "characters": {"kind": "characters", "every": [2], "characters": "!", **CHOOSING},
    "embedding": {"kind": "embedding", "radius": 0.5, **INPUT},
    "few-shot": {"kind": "few-shot", "shots": [2]},
    "gcg": {"kind": "gcg", **GCG},
    "gcg by representation": {"kind": "gcg", **GCG, "match": "representation", "layer": 2, "fluency": 0.1},
    "logit-lens": {"kind": "logit-lens", "streams": "all"},
    "orthogonalise": {"kind": "orthogonalise", **CHOOSING},
    "paraphrase": {"kind": "paraphrase", **CHOOSING},
    "prefill": {"kind": "prefill", **CHOOSING},
    "prune by SNIP": {"kind": "prune", "score": "snip", **PRUNE},
    "prune by Wanda": {"kind": "prune", "score": "wanda", **PRUNE},
    "quantise": {"kind": "quantise", "bits": [4], "group_size": 16},
    "quantise by torchao": {"kind": "quantise", "bits": [4], "group_size": 16, "backend": "torchao"},
    "soft-prompt": {"kind": "soft-prompt", "vectors": 2, **INPUT},
    "weight-noise": {"kind": "weight-noise", "scales": [0.3]},
}
MEASURED = {
    "latents": {
        "read_layer": 2, "plain_probe": "plain", "forget_probe": "forget", "neutral_probe": "neutral",
        "other_neutral_probe": "other", "questions": 9, "hessian_questions": 2, "hessian_draws": 1,
        "noise_scales": [0.1], "noise_draws": 1, "eta_position": "answer",
    },
    "sharpness": {
        "documents": 2, "tokens": 12, "radii": [0.5], "share": 0.05, "draws": 1, "trace_draws": 1, "eigenvalues": 1,
        "iterations": 2, "lipschitz_draws": 1,
        "divergence": {"norm": 0.5, "draws": 1},
    },
    "landscape": {"documents": 2, "tokens": 12, "line": [-1.0, 0.0, 1.0], "plane": 3, "extent": 1.0},
    "memorisation": {
        "protocol": "facts", "documents": 2, "prompt_tokens": 6, "continuation_tokens": 10, "questions": 2, "shots": 1,
        "answer_tokens": 2, "least_likely": 0.4, "batch_size": 4, "format": "Question: {}\nAnswer:",
    },
}  # fmt: skip
# Where in an attack's setting stands what it could not do as asked.
SAID = {"logit-lens": "not in this architecture", "quantise": "172 inputs in groups"}
# Two words in turn: residuals of one and the same word before every question do not differ.
WORDS = {"plain": ("", ""), "forget": ("Tin. ", "Ore. "), "neutral": ("Cup. ", "Pan. "), "other": ("Hat. ", "Mug. ")}


class Passage:
    """A model folder on its way through the stages; each stage leaves what later ones read.

    ``source`` is a folder as it comes from the hub, ``scratch`` a folder to write in.
    """

    def __init__(self, source: Path, scratch: Path):
        self.source, self.scratch, self.folder = source, scratch, scratch / "model"
        self.records, self.deltas = {}, {}

    def fetch(self) -> None:
        fetch({"path": str(self.source)}, self.folder, self.scratch / "fetching")

    @cached_property
    def loaded(self):
        """The whole model and its digest."""
        return load_model(self.folder)

    @property
    def model(self) -> torch.nn.Module:
        return self.loaded[0]

    @cached_property
    def tokenizer(self):
        return load_tokenizer(self.folder)

    @cached_property
    def asked(self) -> pandas.DataFrame:
        """Questions that the model answers rightly; some of each role in the select and in the relearn split."""
        table = known(self.model, self.tokenizer, questions(forget=12, retain=6))
        shown = (table["split"] == "test") & (table.index % 4 == 0)
        return table.assign(split=table["split"].mask(shown, "relearn"), probe="plain")

    def score(self) -> None:
        """From the first layer, and from the third with a kept prefix; the model is the reference."""
        scorer = QuestionScorer(self.tokenizer, self.asked, 16)
        scorer.keep_prefix(self.model, 2)
        scorer.save_prefix(self.scratch / "prefix.safetensors")
        above, perplexity = self._scored({}, REFERENCE)
        whole = QuestionScorer(self.tokenizer, self.asked, 16).log_likelihoods(self.model)
        assert torch.allclose(whole, torch.tensor(numpy.stack(above["log_likelihoods"])), atol=1e-4)
        assert above["correct"].all() and 1 < perplexity < 1e6

    def _scored(self, delta: dict, method: str) -> tuple[pandas.DataFrame, float]:
        scorer = QuestionScorer(self.tokenizer, self.asked, 16)
        scorer.load_prefix(self.scratch / "prefix.safetensors", lowest_layer(delta), "cpu")
        with applied(self.model, delta):
            answered = scorer.records(self.model)
            perplexity = prose_perplexity(self.model, self.tokenizer, TEXTS["perplexity"], 20)
        self.records[method] = label(answered, Cell(*PLACE, method, NONE, 0), NONE)
        return answered, perplexity

    def cache(self) -> None:
        """Texts with both likelihoods, so that the caches serve every method."""
        caches, first = {}, TRAINED_LAYERS[0]
        for corpus in ("forget", "retain", "refusal"):
            encoded = encode_texts(self.tokenizer, TEXTS[corpus], 20)
            caches[corpus] = compute_activations(self.model, *encoded, first, TRAINED_LAYERS[-1], likelihood=True)
        save_caches(self.scratch / "caches.safetensors", caches)

    def unlearn(self, name: str) -> None:
        """Training loads the layers that it needs; the delta moves the whole model."""
        loss, changes, row = UNLEARNED[name]
        changes = {"layers": TRAINED_LAYERS, "read_layer": TRAINED_LAYERS[-1], **changes}
        settings = method_settings(loss, steps=2 if name in METHOD_IDS else 1, batch_size=2, **changes)
        model, digest = load_model(self.folder, layers=layers_needed(settings, row))
        caches = load_caches(self.scratch / "caches.safetensors")
        done = unlearn(model, settings, row, caches, 0, self.scratch / "training.safetensors")
        save_delta(self.scratch / "delta.safetensors", done.tensors, digest)
        delta = load_delta(self.scratch / "delta.safetensors", self.loaded[1])
        assert done.facts["weight_change"] > 0 and all(torch.isfinite(tensor).all() for tensor in delta.values())
        assert lowest_layer(delta) == TRAINED_LAYERS[0]
        self.deltas[name] = delta
        before, after = self._text_logits(), self._text_logits(delta)
        assert torch.isfinite(after).all() and not torch.allclose(before, after)
        if name in METHOD_IDS:
            self._scored(delta, name)

    @torch.no_grad()
    def _text_logits(self, delta: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        with applied(self.model, delta or {}):
            return self.model(torch.tensor([self.tokenizer.encode(TEXTS["forget"][0])])).logits

    @property
    def delta(self) -> dict[str, torch.Tensor]:
        """What is attacked and measured: RMU's, or of a model that it cannot train the first one there is."""
        return next(iter(self.deltas.values()))

    def attack(self, name: str) -> str:
        """An attack spends something, and gives the model back; returns what it says of the architecture."""
        parameters = dict(ATTACKED[name])
        entry = {"kind": parameters.pop("kind"), "roles": ["forget", "retain"], "parameters": parameters}
        with applied(self.model, self.delta) as original:
            before = state(self.model)
            material = (Cell(*PLACE, "rmu", NONE, 0), name, entry, self.asked, CORPORA, 16)
            parts, cost = attack_cell(self.model, self.tokenizer, *material, partial(applied, self.model, original))
            assert unharmed(self.model, before)
        assert parts and all(numpy.isfinite(numpy.stack(part["log_likelihoods"])).all() for part in parts)
        assert cost["forwards"] > 0 or entry["kind"] in ("few-shot", "quantise", "weight-noise")
        setting = parts[-1]["setting"].iloc[0]
        return setting[setting.find(said) :] if (said := SAID.get(entry["kind"])) and said in setting else ""

    def measure(self, name: str) -> None:
        relearning = dict(ATTACKED["relearn"])
        attack = ["relearn", {"kind": relearning.pop("kind"), "parameters": relearning}]
        tables = {"probes": self._probes(), "corpora": CORPORA, "questions": self.asked}
        before = state(self.model)
        measured = MEASURES[name](self.model, self.tokenizer, tables, MEASURED[name], attack)
        table = measured.of(self.delta, Cell(*PLACE, "rmu", NONE, 0))
        assert unharmed(self.model, before) and len(table)
        numbers = table.select_dtypes("number").to_numpy()
        assert numpy.isfinite(numbers).all()

    def _probes(self) -> pandas.DataFrame:
        """Retain questions under every probe that latents compare."""
        asked = self.asked[self.asked["role"] == "retain"]
        return pandas.concat(
            asked.assign(probe=probe, prompt=[words[at % 2] + prompt for at, prompt in enumerate(asked["prompt"])])
            for probe, words in WORDS.items()
        )

    def figure(self) -> None:
        """The records through their tables into a figure."""
        records = pandas.concat([part.assign(method=METHOD_IDS[name]) for name, part in self.records.items()])
        inputs = inputs_of(records, of_study(CONFIG))
        tables = {name: TABLES[name](inputs) for name in ("accuracy", "floors")}
        with style():
            figure = FIGURES["accuracy"](as_read(tables, CONFIG, self.scratch))
        assert figure.axes
        pyplot.close(figure)


METHOD_IDS = {REFERENCE: REFERENCE, "RMU": "rmu", "NPO+KL": "npo-kl"}
STAGES: dict[str, dict[str, Callable[[Passage], str | None]]] = {
    "fetch": {"fetch": Passage.fetch},
    "score": {"score": Passage.score},
    "unlearn": {"cache": Passage.cache, **{name: partial(Passage.unlearn, name=name) for name in UNLEARNED}},
    "relearn": {name: partial(Passage.attack, name=name) for name in ATTACKED if name.startswith("relearn")},
    "attack": {name: partial(Passage.attack, name=name) for name in ATTACKED if not name.startswith("relearn")},
    "evaluate": {name: partial(Passage.measure, name=name) for name in MEASURES},
    "figure": {"figure": Passage.figure},
}


def pass_through(passage: Passage) -> dict[str, dict[str, str]]:
    """What each step of each stage came to, see ``family_table``; anything but a refusal in one line is raised."""
    outcomes = {stage: {} for stage in STAGES}
    for stage, steps in STAGES.items():
        for name, step in steps.items():
            try:
                outcomes[stage][name] = step(passage) or ""
            except StudyError as error:
                assert "\n" not in str(error)
                outcomes[stage][name] = f"{REFUSED}{error}"
    return outcomes
