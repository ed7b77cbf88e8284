"""lm-evaluation-harness as arbiter: the same questions as local lm-eval tasks, scored by lm-eval itself.

A question set becomes a task: a JSONL file of rows {prompt, choices, answer} and a task YAML. A person runs them
with ``lm_eval run --include_path FOLDER --tasks NAME``; :func:`harness_scores` does so in this process.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas
import yaml

from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.scoring.chat import in_frame, joint
from unlearning_robustness.scoring.decision import BYTE_MEAN, SUM
from unlearning_robustness.scoring.questions import frames_of


def task_name(benchmark: str, role: str, probe: str) -> str:
    """The lm-eval task of a question set."""
    return f"{benchmark}_{role}_{probe}".replace("-", "_").replace(".", "_")


# The metrics of lm-eval that decide as a rule does; a mean a token is none of them.
METRICS = {SUM: "acc", BYTE_MEAN: "acc_bytes"}


def task_settings(name: str, data: Path, metrics: Sequence[str] = ("acc",), delimiter: str = " ") -> dict:
    """The task: the prompt as it is, each choice behind the ``delimiter``, accuracy by each of the ``metrics``."""
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.absolute())}},
        "test_split": "test",
        "num_fewshot": 0,
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "target_delimiter": delimiter,
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in metrics],
        "metadata": {"version": 1},
    }


def write_tasks(probes: pandas.DataFrame, benchmark: str, folder: str | Path) -> list[str]:
    """Write one task a (role, probe) of a table of probed questions; returns their names.

    Accuracy is by the sum, and also by the rule that decides the questions where lm-eval has it. Questions that are
    asked in a chat template have its text in their prompts.
    """
    names, folder = [], Path(folder)
    for (role, probe), part in probes.groupby(["role", "probe"], sort=True):
        name = task_name(benchmark, role, probe)
        data = folder / f"{name}.jsonl"
        rules = set(part["decided_by"]) if "decided_by" in part else set()
        metrics = sorted({METRICS[SUM], *(METRICS[rule] for rule in rules & METRICS.keys())})
        frames = frames_of(part)
        texts = [in_frame(prompt, *frame) for prompt, frame in zip(part["prompt"], frames, strict=True)]
        rows = part.assign(prompt=texts)[["question", "prompt", "choices", "answer"]].to_dict("records")
        with atomic(data) as temporary:
            temporary.write_text("".join(json.dumps({**row, "choices": list(row["choices"])}) + "\n" for row in rows))
        with atomic(folder / f"{name}.yaml") as temporary:
            settings = task_settings(name, data, metrics, joint(frames[0][1]))
            temporary.write_text(yaml.safe_dump(settings, sort_keys=False))
        names.append(name)
    return names


def evaluated(model, tokenizer, names: list, paths: list, batch_size: int, shots: int | None = None) -> dict:
    """What lm-eval returns for the tasks ``names`` of the folders ``paths``, with every sample."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=[str(path) for path in paths], include_defaults=False)
    wrapped = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
    return simple_evaluate(
        wrapped, tasks=names, task_manager=manager, num_fewshot=shots, bootstrap_iters=0, verbosity="ERROR"
    )


def harness_scores(model, tokenizer, folder: str | Path, names: list[str], batch_size: int) -> pandas.DataFrame:
    """lm-eval's own log-likelihood of every choice: columns task, question, log_likelihoods, prediction, accuracy."""
    results = evaluated(model, tokenizer, names, [folder], batch_size)
    rows = []
    for name in names:
        for sample in results["samples"][name]:
            scores = [float(response[0]) for response in sample["filtered_resps"]]
            rows.append(
                {
                    "task": name,
                    "question": sample["doc"]["question"],
                    "log_likelihoods": scores,
                    "prediction": max(range(len(scores)), key=scores.__getitem__),
                    "accuracy": results["results"][name]["acc,none"],
                }
            )
    return pandas.DataFrame(rows)
