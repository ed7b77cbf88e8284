"""The interface of a measure: what is measured of an unlearned model beside its answers."""

from collections.abc import Sequence

import pandas

from unlearning_robustness.config.cells import Cell


class Measure:
    """A measure of cells of one model.

    ``tables`` are what it reads beside the model, by name; ``attack`` is the attack that it runs, an (id, resolved
    entry) or nothing.
    """

    # Differences of latents, neighbouring points of a slice and second derivatives are lost in bfloat16's rounding.
    in_float32 = True
    compression = "snappy"

    def __init__(self, model, tokenizer, tables: dict[str, pandas.DataFrame], settings: dict, attack: Sequence):
        self.model, self.tokenizer, self.tables = model, tokenizer, tables
        self.settings, self.attack = settings, attack

    def of(self, delta: dict, cell: Cell) -> pandas.DataFrame:
        """The table of the cell that ``delta`` makes of the model, labelled with the cell.

        The model comes back bit for bit.
        """
        raise NotImplementedError
