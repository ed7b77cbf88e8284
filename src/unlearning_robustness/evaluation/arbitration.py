"""The fast scorer held against lm-eval on lm-eval's own tasks, question by question."""

from pathlib import Path

import numpy
import pandas

from unlearning_robustness.data import mmlu, wmdp
from unlearning_robustness.data.items import lettered, shots_of
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.evaluation.official import MMLU, WMDP, official_scores, write_repository
from unlearning_robustness.scoring.questions import QuestionScorer

COLUMNS = ["task", "questions", "accuracy", "accuracy_lm_eval", "same_predictions", "largest_difference"]


def arbitrate(
    model, tokenizer, published: Published, roles: list[dict], folder: str | Path, batch_size: int
) -> pandas.DataFrame:
    """One row a task: accuracies of both, share of equal predictions, largest difference of log-likelihoods (nats).

    Asks every item of the parts of MMLU and WMDP that the ``roles`` of a benchmark read, MMLU behind the shots of the
    first role that has some; lm-eval has none for WMDP. lm-eval reads from ``folder``. The rows ``mmlu`` and ``wmdp``
    are averages over questions, as lm-eval's groups are. Empty where the benchmark reads neither.
    """
    parts_read = list(dict.fromkeys(part for role in roles for part in role.get("items", [])))
    tables = {part: published.table(part) for part in parts_read}
    shown = next((role["shots"] for role in roles if "shots" in role), None)
    compared = []
    for reader, repository, group in ((mmlu, MMLU, "mmlu"), (wmdp, WMDP, "wmdp")):
        parts = {part: table for other, part, table in tables.values() if other is reader}
        if parts:
            shots = shown if reader is mmlu else None
            dev = pandas.concat([published.table(part)[2] for part in shots["items"]]) if shots else None
            write_repository(folder, repository, _configurations(parts, dev, group))
            count = shots["count"] if shots else 0
            compared.append(_compared(model, tokenizer, parts, reader, dev, count, group, folder, batch_size))
    return pandas.concat(compared, ignore_index=True) if compared else pandas.DataFrame(columns=COLUMNS)


def _configurations(
    parts: dict[str, pandas.DataFrame], dev: pandas.DataFrame | None, group: str
) -> dict[str, dict[str, pandas.DataFrame]]:
    """The repository's configurations: WMDP's are parts, MMLU's subjects."""
    if group == "wmdp":
        return {f"wmdp-{part}": {"test": table} for part, table in parts.items()}
    every = pandas.concat(parts.values())
    # lm-eval's tasks name a dev split, asked for or not.
    shown = every if dev is None else dev
    subjects = {name: {"test": table} for name, table in every.groupby("subject")}
    return {name: {**splits, "dev": shown[shown["subject"] == name]} for name, splits in subjects.items()}


def _compared(model, tokenizer, parts, reader, dev, count, group, folder, batch_size) -> pandas.DataFrame:
    items = pandas.concat([reader.items(table, part) for part, table in parts.items()], ignore_index=True)
    shots = shots_of(reader.items(dev, "dev"), count) if count else None
    table = lettered(items, "retain", {"test": 1}, "0", shots)
    ours = QuestionScorer(tokenizer, table, batch_size).records(model)
    tasks = {subject: f"wmdp_{part}" for part, subject in wmdp.SUBJECTS.items()} if group == "wmdp" else {}
    named = ours["relation"].map(lambda subject: tasks.get(subject, f"mmlu_{subject.replace(' ', '_')}"))
    ours = ours.assign(task=named, index=ours.groupby("relation").cumcount())
    theirs, _ = official_scores(model, tokenizer, folder, sorted(set(named)), batch_size, count)
    both = ours.merge(theirs, on=["task", "index"], suffixes=("", "_lm_eval"), validate="one_to_one")
    apart = numpy.stack(both["log_likelihoods"]) - numpy.stack(both["log_likelihoods_lm_eval"].map(numpy.array))
    both = both.assign(same=both["prediction"] == both["prediction_lm_eval"], apart=numpy.abs(apart).max(axis=1))
    rows = [_row(name, part) for name, part in both.groupby("task", sort=True)]
    return pandas.DataFrame([*rows, _row(group, both)], columns=COLUMNS)


def _row(name: str, part: pandas.DataFrame) -> list:
    means = [part[column].mean() for column in ("correct", "correct_lm_eval", "same")]
    return [name, len(part), *means, part["apart"].max()]
