"""Which probe asks what: the protocols of ``memorisation.protocol``."""

import pandas

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.evaluation.base import Measure
from unlearning_robustness.evaluation.memorisation import MemorisationProbe, of_facts, of_published
from unlearning_robustness.evaluation.open_answers import measure_memorisation
from unlearning_robustness.evaluation.tofu_probe import TofuProbe
from unlearning_robustness.models.delta import applied


def probe_of(
    tokenizer, corpora: pandas.DataFrame, asked: pandas.DataFrame, settings: dict
) -> MemorisationProbe | TofuProbe:
    """The probe of ``settings["protocol"]``; ``asked`` are the benchmark's questions, or its table of open ones."""
    protocol = settings["protocol"]
    if protocol == "tofu":
        return TofuProbe(tokenizer, asked, corpora, settings)
    if protocol == "muse":
        return MemorisationProbe(tokenizer, of_published(tokenizer, asked, corpora, settings), settings)
    return MemorisationProbe(tokenizer, of_facts(tokenizer, corpora, asked, settings), settings)


class Memorisation(Measure):
    """What a model still says of the forget texts, word for word and in answers, also after an attack."""

    in_float32 = False
    compression = "zstd"

    def __init__(self, *inputs):
        super().__init__(*inputs)
        self.probe = probe_of(self.tokenizer, self.tables["corpora"], self.tables["questions"], self.settings)

    def of(self, delta: dict, cell: Cell) -> pandas.DataFrame:
        with applied(self.model, delta):
            return measure_memorisation(self.model, self.probe, self.tables["corpora"], cell, self.attack)
