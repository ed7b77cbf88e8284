"""Which probe asks what: the protocols of ``memorisation.protocol``."""

import pandas

from unlearning_robustness.evaluation.memorisation import MemorisationProbe, of_facts, of_published
from unlearning_robustness.evaluation.tofu_probe import TofuProbe


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
