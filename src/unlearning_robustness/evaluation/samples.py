"""Records in the shape in which lm-eval writes them with ``--log_samples``, so that its tools open them.

``python -m unlearning_robustness.evaluation.samples RECORDS FOLDER`` converts files of records.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.errors import DataError, StudyError
from unlearning_robustness.evaluation.harness import METRICS, task_name
from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.scoring.chat import in_frame, joint
from unlearning_robustness.scoring.decision import SUM
from unlearning_robustness.scoring.records import BUDGET, COLUMNS, DECIDING

# What names one question set that one attacked model answered.
ATTACKED = ("attack", *BUDGET, "setting")
SET = ("model", "benchmark", "method", "defence", "seed", *ATTACKED, "role", "probe")
# A record does not say whether a choice is what greedy decoding gives, as lm-eval's second response does.
NOT_RECORDED = "None"


def samples(records: pandas.DataFrame) -> list[dict]:
    """The samples of one question set, as lm-eval 0.4 writes the lines of ``samples_TASK.jsonl``.

    ``doc`` is the row of the task that ``harness.write_tasks`` writes, in its order, so hashes agree with lm-eval's.
    ``acc`` is by the sum, ``acc_bytes`` there where the mean a byte decides. ``split`` is more than lm-eval has.
    """
    rules = set(records["decided_by"])
    metrics = sorted({SUM, *(rules & METRICS.keys())}, key=METRICS.get)
    return [_sample(index, row, metrics) for index, row in enumerate(records.itertuples())]


def _sample(index: int, row, rules: Sequence[str]) -> dict:
    prompt, choices, answer = in_frame(row.prompt, row.before, row.after), list(row.choices), int(row.answer)
    doc = {"question": row.question, "prompt": prompt, "choices": choices, "answer": answer}
    accuracies = {METRICS[rule]: float(getattr(row, DECIDING[rule]).argmax() == answer) for rule in rules}
    pairs = [[str(float(score)), NOT_RECORDED] for score in row.log_likelihoods]
    return {
        "doc_id": index,
        "doc": doc,
        "target": str(answer),
        "arguments": {
            f"gen_args_{number}": {"arg_0": prompt, "arg_1": f"{joint(row.after)}{choice}"}
            for number, choice in enumerate(choices)
        },
        "resps": [[pair] for pair in pairs],
        "filtered_resps": pairs,
        "filter": "none",
        "metrics": list(accuracies),
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(str(answer)),
        **accuracies,
        "split": row.split,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sample_files(records: pandas.DataFrame) -> Iterator[tuple[Path, list[dict]]]:
    """The path, below any folder, and the samples of each question set: ``CELL/ATTACK[-POINT]/samples_TASK.jsonl``.

    POINT counts the points of an attack's budget where there are several, in the order of the records.
    """
    for identity, cell_records in records.groupby(list(SET[:6]), sort=False):
        cell, attack = Cell(*identity[:5]), identity[5]
        points = list(cell_records.groupby(list(ATTACKED), sort=False))
        for number, (_, point) in enumerate(points):
            folder = Path(cell.path, f"{attack}-{number}" if len(points) > 1 else attack)
            for (role, probe), answered in point.groupby(["role", "probe"], sort=False):
                yield folder / f"samples_{task_name(cell.benchmark, role, probe)}.jsonl", samples(answered)


def write_samples(records: pandas.DataFrame, folder: str | Path) -> list[Path]:
    """Write every question set of the records below a folder; returns the paths."""
    paths = []
    for name, lines in sample_files(records):
        path = Path(folder) / name
        with atomic(path) as temporary:
            temporary.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        paths.append(path)
    return paths


def read_file(path: str | Path) -> pandas.DataFrame:
    """A file of records. Raises DataError where it is none, naming the mend."""
    if not Path(path).is_file():
        raise DataError(f"there is no file {path}; give a records.parquet of a study that was run")
    try:
        records = pandas.read_parquet(path)
    except (OSError, ValueError):
        raise DataError(f"{path} is no Parquet file; give a records.parquet") from None
    if missing := [name for name in COLUMNS if name not in records]:
        raise DataError(f"{path} has no column {missing[0]}, so it holds no records; give a records.parquet")
    return records


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert files of records; returns the exit code, 2 where a file holds none."""
    parser = argparse.ArgumentParser(prog="samples", description=__doc__.splitlines()[0])
    parser.add_argument("records", nargs="+", help="records.parquet files")
    parser.add_argument("folder", help="where samples_*.jsonl are written")
    given = parser.parse_args(arguments)
    try:
        frames = [read_file(path) for path in given.records]
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for frame in frames:
        print(*write_samples(frame, given.folder), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
