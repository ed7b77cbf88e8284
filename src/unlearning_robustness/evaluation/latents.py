"""What RNA's theory states about latents, measured on one model: residuals of a token, curvature of the loss."""

import pandas

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.evaluation.base import Measure
from unlearning_robustness.evaluation.curvature import LatentLoss, hessian_traces, loss_increases
from unlearning_robustness.evaluation.residuals import residual_statistics
from unlearning_robustness.models.delta import applied
from unlearning_robustness.runtime.seeds import generator, shuffler
from unlearning_robustness.scoring.chat import in_frame
from unlearning_robustness.scoring.packing import pack
from unlearning_robustness.scoring.questions import frames_of

CONTRASTS = {"forget": "forget_probe", "neutral": "other_neutral_probe"}


def asked_questions(probes: pandas.DataFrame, settings: dict) -> pandas.DataFrame:
    """Prompts of the retain questions under the three probes, one row a question, at most ``questions`` of them."""
    names = [settings[name] for name in ("forget_probe", "neutral_probe", "other_neutral_probe")]
    asked = probes[(probes["role"] == "retain") & probes["probe"].isin(names)]
    texts = [in_frame(prompt, *frame) for prompt, frame in zip(asked["prompt"], frames_of(asked), strict=True)]
    asked = asked.assign(prompt=texts)
    wide = asked.pivot(index="question", columns="probe", values="prompt").dropna().sort_index()
    kept = shuffler(0, "latents").sample(range(len(wide)), min(settings["questions"], len(wide)))
    return wide.iloc[sorted(kept)]


def measure_latents(model, tokenizer, probes: pandas.DataFrame, settings: dict, seed: int) -> pandas.DataFrame:
    """Statistics of the model's latents: columns contrast, position, layer, statistic, at, value, error, questions.

    Contrast ``forget`` is a forget token less a neutral one, ``neutral`` another neutral token less that one, and
    ``noise`` the loss under Gaussian noise: its ``hessian_trace``, and ``loss_increase`` and ``predicted_increase``
    (from the trace) at each noise scale.
    """
    asked, parts = asked_questions(probes, settings), []
    for contrast, probe in CONTRASTS.items():
        pairs = list(zip(asked[settings[probe]], asked[settings["neutral_probe"]], strict=True))
        parts.append(residual_statistics(model, tokenizer, pairs, settings["read_layer"]).assign(contrast=contrast))
    plain = probes[(probes["role"] == "retain") & (probes["probe"] == settings["plain_probe"])].sort_values("question")
    parts.append(curvature_statistics(model, tokenizer, plain, settings, seed))
    return pandas.concat(parts, ignore_index=True)


def curvature_statistics(model, tokenizer, plain: pandas.DataFrame, settings: dict, seed: int) -> pandas.DataFrame:
    """The trace of the Hessian and the increase of the loss, means over questions with their standard errors."""
    count = min(settings["hessian_questions"], len(plain))
    chosen = plain.iloc[sorted(shuffler(0, "curvature").sample(range(len(plain)), count))]
    questions = []
    for row in chosen.itertuples():
        frame = getattr(row, "before", ""), getattr(row, "after", "")
        packed = pack(tokenizer, row.prompt, [row.choices[row.answer]], "", *frame)
        questions.append((packed.prompt, packed.choices[0]))
    loss = LatentLoss.of(model, settings["read_layer"], questions)
    traces = hessian_traces(loss, settings["hessian_draws"], generator(seed, "hessian"))
    measured = [("hessian_trace", 0.0, traces.mean(0))]
    for scale in settings["noise_scales"]:
        increases = loss_increases(loss, scale, settings["noise_draws"], generator(seed, "loss-increase"))
        measured.append(("loss_increase", scale, increases.mean(0)))
        measured.append(("predicted_increase", scale, scale**2 / 2 * traces.mean(0)))
    rows = [
        {"position": "all", "layer": settings["read_layer"], "statistic": name, "at": at,
         "value": values.mean().item(), "error": values.std().item() / count**0.5}
        for name, at, values in measured
    ]  # fmt: skip
    return pandas.DataFrame(rows).assign(questions=count, contrast="noise")


def label_latents(table: pandas.DataFrame, cell: Cell) -> pandas.DataFrame:
    """The statistics, labelled with their cell."""
    return table.assign(**vars(cell))


class Latents(Measure):
    """What a token and what noise do to the latents."""

    reference: pandas.DataFrame | None = None

    def of(self, delta: dict, cell: Cell) -> pandas.DataFrame:
        # A delta of nothing gives the same latents under every seed.
        if delta or self.reference is None:
            with applied(self.model, delta):
                table = measure_latents(self.model, self.tokenizer, self.tables["probes"], self.settings, cell.seed)
            if delta:
                return label_latents(table, cell)
            self.reference = table
        return label_latents(self.reference, cell)
