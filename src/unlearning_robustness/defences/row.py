"""A row of defences makes a step; it may change the schedule, and add facts to a cell's manifest."""

from collections.abc import Callable

from unlearning_robustness.defences import DEFENCES
from unlearning_robustness.defences.base import Step
from unlearning_robustness.engine.schedule import Schedule


def build_step(
    row: list[dict], learning_rate: float | None = None, noise_unit: Callable[[], float] | None = None
) -> Step:
    """The step of a row of resolved defence entries, in a run of ``learning_rate``; the empty row is plain unlearning.

    Without a learning rate no length can be given in optimiser steps, without ``noise_unit`` none of noise in norms.
    """
    step = Step(learning_rate=learning_rate, noise_unit=noise_unit)
    for defence in _defences(row):
        defence.install(step)
    return step


def reschedule(row: list[dict], schedule: Schedule) -> Schedule:
    """The schedule that a row trains by."""
    for defence in _defences(row):
        if hasattr(defence, "reschedule"):
            schedule = defence.reschedule(schedule)
    return schedule


def matched_control(row: list[dict]):
    """The control that is matched to another cell, which a row holds alone; None of other rows."""
    return next((defence for defence in _defences(row) if defence.Facts.needs_matched_cell), None)


def manifest_facts(row: list[dict], width: int, activation_norm: float) -> dict[str, float]:
    """What a row adds to a cell's manifest, of reference activations of a width and a mean norm on retain text."""
    facts = {}
    for defence in _defences(row):
        if hasattr(defence, "manifest_facts"):
            facts |= defence.manifest_facts(width, activation_norm)
    return facts


def _defences(row: list[dict]) -> list:
    return [DEFENCES[entry["kind"]](**entry["parameters"]) for entry in row]
