"""lm-eval's own mmlu and wmdp tasks, unchanged and without a network, on tables that were fetched."""

import contextlib
from pathlib import Path

import datasets
import lm_eval
import pandas
import yaml

from unlearning_robustness.evaluation.harness import evaluated

TASKS = Path(lm_eval.__file__).parent / "tasks"
# Where the tasks lie, and which repository they read.
FOLDERS, MMLU, WMDP = ("mmlu/default", "wmdp"), "cais/mmlu", "cais/wmdp"


def write_repository(folder: str | Path, name: str, configurations: dict[str, dict[str, pandas.DataFrame]]) -> None:
    """Write tables as the repository that lm-eval's tasks name: ``configurations`` map a name to its splits.

    MMLU has one configuration a subject (``high_school_biology``), with the splits test and dev; WMDP wmdp-bio,
    wmdp-chem and wmdp-cyber, with test. Columns question, choices, answer.
    """
    root = Path(folder) / name
    root.mkdir(parents=True, exist_ok=True)
    about = []
    for configuration, splits in configurations.items():
        files = []
        for split, table in splits.items():
            file = f"{configuration}-{split}.jsonl"
            table[["question", "choices", "answer"]].to_json(root / file, orient="records", lines=True)
            files.append({"split": split, "path": file})
        about.append({"config_name": configuration, "data_files": files})
    (root / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': about})}---\n")


@contextlib.contextmanager
def _own_cache(folder: Path):
    """The library's cache knows a local data set by its name alone, and would serve another one's questions."""
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = folder
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before


def official_scores(
    model, tokenizer, folder: str | Path, names: list[str], batch_size: int, shots: int | None = None
) -> tuple[pandas.DataFrame, dict[str, float]]:
    """lm-eval's log-likelihoods on its tasks ``names``, of the repositories below ``folder``.

    Names are tasks or groups of lm-eval, or groups that stand as yaml below ``folder``. Returns one row a question
    (task, index, log_likelihoods, prediction, correct), and the accuracy of every task and group. ``shots`` None asks
    as the tasks say, which is zero-shot.
    """
    paths = [*(TASKS / name for name in FOLDERS), Path(folder).absolute()]
    # A data set called cais/mmlu is the folder of that name, if there is one.
    with contextlib.chdir(folder), _own_cache(Path(folder).absolute() / "cache"):
        results = evaluated(model, tokenizer, names, paths, batch_size, shots)
    rows = [
        {
            "task": task,
            "index": sample["doc_id"],
            "log_likelihoods": (scores := [float(response[0]) for response in sample["filtered_resps"]]),
            "prediction": (prediction := max(range(len(scores)), key=scores.__getitem__)),
            "correct": prediction == sample["doc"]["answer"],
        }
        for task, samples in results["samples"].items()
        for sample in samples
    ]
    table = pandas.DataFrame(rows).sort_values(["task", "index"], ignore_index=True)
    return table, {name: entry["acc,none"] for name, entry in results["results"].items() if "acc,none" in entry}
