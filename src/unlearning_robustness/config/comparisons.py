"""Cells that every estimate of a study is compared with: the reference, the plain ones and the unattacked ones."""

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.errors import ConfigError


def check_compared(study: dict) -> None:
    """Raise ConfigError for a study without its reference, without plain unlearning, or with a cell only attacked.

    A single method may do without its plain cell where that is another one's, as in a sweep of read layers.
    """
    kinds = {
        (method, defence, attack)
        for grid in study["cells"]
        for method in grid["methods"]
        for defence in grid["defences"]
        for attack in grid["attacks"]
    }
    unattacked = {(method, defence) for method, defence, attack in kinds if attack == NONE}
    for method, defence, attack in sorted(kinds):
        if (method, defence) not in unattacked:
            raise ConfigError(
                f"study.cells: {method} with {defence} meets {attack} alone; add attack {NONE!r} to its grid, as "
                "attacked models are compared with unattacked ones"
            )
    if (REFERENCE, NONE) not in unattacked:
        raise ConfigError(
            f"study.cells: {REFERENCE!r} is missing, which every model is compared with; add the grid "
            "{methods: [reference], defences: [none], attacks: [none]}"
        )
    trained = {(method, defence) for method, defence in unattacked if method != REFERENCE}
    if trained and not any(defence == NONE for _, defence in trained):
        raise ConfigError(
            f"study.cells: no method has defence {NONE!r}; add it to a grid, as defences are compared with plain "
            "unlearning"
        )
