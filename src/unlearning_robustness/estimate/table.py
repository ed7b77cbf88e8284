"""The estimate in words and numbers, as `make plan` shows it."""

from unlearning_robustness.estimate.columns import aligned
from unlearning_robustness.estimate.jobs import Job, hours
from unlearning_robustness.estimate.machines import MACHINES
from unlearning_robustness.models.shape import BFLOAT16, Shape
from unlearning_robustness.runtime.device import processor

GPUS = ("a100", "h100")
GIGA = 1e9
# What a process holds before it computes: Python, torch and transformers.
LIBRARIES = 0.6 * GIGA


def table_of(jobs: list[Job]) -> str:
    """One row a rule: jobs, hours of each machine, peak memory in GB, disk in GB; the sums last."""
    machines = [MACHINES[processor()], *(MACHINES[name] for name in GPUS)]
    head = ["rule", "jobs", *(f"hours, {machine.label}" for machine in machines), "peak GPU memory", "disk"]
    names = list(dict.fromkeys(job.rule for job in jobs))
    rows = [[name, *_numbers([job for job in jobs if job.rule == name], machines)] for name in names]
    rows.append(["all of these", *_numbers(jobs, machines)])
    return aligned([head, *rows])


def _numbers(jobs: list[Job], machines: list) -> list[str]:
    disk = sum(job.work.disk for job in jobs) / GIGA
    peak = max((job.work.memory for job in jobs), default=0.0) / GIGA
    return [
        str(len(jobs)),
        *(f"{hours(jobs, machine):.2f}" for machine in machines),
        f"{peak:.1f} GB",
        f"{disk:.2f} GB",
    ]


def models_of(entries: dict[str, dict], shapes: dict[str, Shape], here: set[str]) -> str:
    """One line a model: its size, what is downloaded, what stays on disk, its licence."""
    lines = []
    for name, shape in shapes.items():
        size = shape.parameters * BFLOAT16 / GIGA
        megabytes = entries[name].get("download_mb", size * 1000)
        ahead = "is pretrained here" if "generated" in entries[name] else f"is downloaded ({megabytes:.0f} MB)"
        state = "is here" if name in here else ahead
        licence = f", licence {entries[name]['license']}" if "license" in entries[name] else ""
        parameters = f"{shape.parameters / 1e6:.0f} million parameters"
        lines.append(f"{name}: {parameters}, {size:.2f} GB on disk, {state}{licence}")
    return "\n".join(lines)


NOTE = f"""
Nothing done yet is assumed; the jobs above the table are those that are left. Hours on a CPU agree with measured ones
of the laptop model within a factor of two; those on GPUs follow from the makers' figures and were not measured. On a
CPU a process holds {LIBRARIES / GIGA:.1f} GB more. Rules missing in the table take seconds, or are not estimated."""
