"""Measuring the measures: which of them tell models that hold the forget facts from models that never had them?

``analysis.knowing`` names kinds of cells whose models hold the facts, though most hide them, ``analysis.unknowing``
kinds whose models never had them and were treated alike. A measure of robustness, sharpness or leakage that cannot tell
these apart sees something else: the treatment, for one.
"""

from collections.abc import Iterator

import numpy
import pandas

from unlearning_robustness.analysis.cell_measures import NAMES, cell_measures, largest_budgets, starts
from unlearning_robustness.analysis.discrimination import area_interval, placements
from unlearning_robustness.analysis.inputs import CELL, Inputs
from unlearning_robustness.analysis.intervals import fact_matrix, paired
from unlearning_robustness.analysis.replicates import MODELS
from unlearning_robustness.analysis.sharpness import correlations
from unlearning_robustness.analysis.yardstick import never_ids, yardstick_rows
from unlearning_robustness.config.cells import KIND, NONE, PLACE

READS = ("answers", "attacked", "measures", "sharpness", "memorisation", "latents")
SETTINGS = ("latents", "defences")
COLUMNS = [*PLACE, *NAMES, "mean", "low", "high", "knowing", "never", "models"]
RELATED = [*PLACE, *NAMES, "given", "mean", "low", "high", "cells"]


def meta_evaluation(inputs: Inputs) -> pandas.DataFrame:
    """One row a measure (``cell_measures``): the area under its ROC curve; none without ``analysis.knowing``.

    1: the measure is larger in every model that holds the facts than in every model that never had them; 0: smaller;
    0.5: it does not tell them apart. Only cells of one place, a model and benchmark, are compared. With
    ``analysis.replicates: models`` the areas of all places are averaged: then a kind of cells counts once as
    ``knowing``, however many seeds and places it has, and so it does among those that ``never`` had the facts. Of
    these an untreated model counts once a place, since it is trained anew there.
    """
    measured, rows = cell_measures(inputs), []
    for names, part in measured.groupby(NAMES, sort=True) if inputs.analysis.get("knowing") else ():
        pairs = dict(_compared(part, inputs))
        together = inputs.analysis.get("replicates") == MODELS
        for place, own in pairs.items():
            areas = list(pairs.values()) if together else [own]
            estimate = _area(areas, bool(inputs.analysis.get("unknowing")), inputs.analysis["confidence"])
            rows.append(dict(zip(COLUMNS, (*place, *names, *estimate), strict=True)))
    return pandas.DataFrame(rows, columns=COLUMNS)


def _area(pairs: list[numpy.ndarray], treated: bool, confidence: float) -> tuple:
    """Mean over places of placements (K, N), its bounds, how many kinds know, how many never did, and places."""
    area = float(numpy.mean([matrix.mean() for matrix in pairs]))
    knowing, nevers = max(len(matrix) for matrix in pairs), [matrix.shape[1] for matrix in pairs]
    never = max(nevers) if treated else sum(nevers)
    return area, *area_interval(area, knowing, never, confidence), knowing, never, len(pairs)


def _compared(part: pandas.DataFrame, inputs: Inputs) -> Iterator[tuple[tuple, numpy.ndarray]]:
    """(place, placements) of the models that know among those that never did, of every place that has both."""
    knowing, never = {tuple(pair) for pair in inputs.analysis["knowing"]}, _unknowing(inputs)
    for place, rows in part.groupby(PLACE, sort=True):
        kinds = list(zip(rows["method"], rows["defence"], strict=True))
        values = pandas.Series(rows["value"].to_numpy(float), index=[" ".join(kind) for kind in kinds])
        knows = numpy.array([kind in knowing for kind in kinds])
        innocent = numpy.array([kind in never for kind in kinds])
        if knows.any() and innocent.any():
            yield place, placements(values[knows], values[innocent])


def _unknowing(inputs: Inputs) -> set[tuple[str, str]]:
    """The kinds (method, defence) whose models never had the facts."""
    treated = {tuple(pair) for pair in inputs.analysis.get("unknowing", [])}
    return treated or {(name, NONE) for name in never_ids(inputs)}


def meta_correlations(inputs: Inputs) -> pandas.DataFrame:
    """Rank correlation of each measure with the corrected recovery of ``analysis.attack``, over all unlearned cells.

    Recovery is what the attack adds to a cell at its largest budget, less what it adds to the yardstick; ``given`` is
    ``nothing``, or ``start`` for the partial correlation at equal forget accuracy before the attack. Measures that were
    taken after that attack are left out: they would be compared with themselves.
    """
    attack, recovered = inputs.analysis["attack"], recovery(inputs)
    if recovered.empty:
        return pandas.DataFrame(columns=RELATED)
    measured = cell_measures(inputs)
    table = measured[measured["attack"] != attack].merge(recovered, on=CELL)
    # All methods together: what is one method's defence elsewhere is a kind of cell here.
    kinds, numbers = table["method"] + " " + table["defence"], table.groupby(NAMES, sort=True).ngroup()
    related = correlations(table.assign(method="", defence=kinds, statistic=numbers, at=""), inputs.bootstrap)
    named = table[NAMES].assign(statistic=numbers).drop_duplicates()
    return related.drop(columns="at").merge(named, on="statistic")[RELATED]


def recovery(inputs: Inputs) -> pandas.DataFrame:
    """One row a cell: ``start``, its forget accuracy, and ``gain``, what the attack adds beyond what it teaches."""
    frames = [pandas.DataFrame(columns=[*CELL, "start", "gain"])]
    if not inputs.analysis.get("yardstick"):
        return frames[0]
    attacked = largest_budgets(inputs)
    attacked = attacked[attacked["attack"] == inputs.analysis["attack"]]
    before = starts(inputs, attacked)
    for place, rows in attacked.groupby(PLACE, sort=True):
        true = yardstick_rows(rows, place, inputs)
        if true.empty:
            continue
        taught = float(paired(fact_matrix(true), before[(*place, inputs.analysis["yardstick"], NONE)]).mean(axis=None))
        for kind, part in rows.groupby(KIND, sort=True):
            if kind[2] in never_ids(inputs) or kind[2:] in _unknowing(inputs):
                continue
            level = fact_matrix(part)
            gain = paired(level, before[kind]).mean(axis=1)
            start = level.mean(axis=1) - gain
            cells = {"seed": gain.index, "start": start.to_numpy(), "gain": gain.to_numpy() - taught}
            frames.append(pandas.DataFrame(cells).assign(**dict(zip(KIND, kind, strict=True))))
    return pandas.concat(frames[1:] or frames, ignore_index=True)
