"""How many subjects (methods, defences) a claim is averaged over, by the grids of the study alone."""

from itertools import product

from unlearning_robustness.config.cells import NONE, attacked_cells


def subjects_of(config: dict, claim: dict, benchmark: str) -> int:
    """The cells, or pairs of cells, of one model that a claim's table has a row of; at least one.

    They are those of the study that the claim's ``where`` allows, attacked by the attacks that it names.
    """
    study, where = config["study"], claim["where"]
    attacks = _listed(where["attack"]) if "attack" in where else [NONE]
    kinds = {
        (cell.method, cell.defence)
        for cell, attack in attacked_cells(study)
        if attack in attacks and cell.benchmark == benchmark and cell.model == study["models"][0]
    }
    kinds = {kind for kind in kinds if kind[0] in _listed(where.get("method", kind[0]))}
    if "first" in where:
        pairs = product(_listed(where["first"]), _listed(where.get("second", NONE)))
        compared = [(method, *pair) for pair in pairs for method in {method for method, _ in kinds}]
        return max(1, sum((method, first) in kinds and (method, second) in kinds for method, first, second in compared))
    return max(1, sum(defence in _listed(where.get("defence", defence)) for _, defence in kinds))


def _listed(wanted) -> list:
    return wanted if isinstance(wanted, list) else [wanted]
