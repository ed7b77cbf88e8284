"""What every script does first (log, threads, device), and how it fails: in one line where one line says it."""

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.errors import StudyError
from unlearning_robustness.runtime.device import lease_gpus
from unlearning_robustness.runtime.launcher import exit_now, is_main, launch, started
from unlearning_robustness.runtime.manifest import Provenance
from unlearning_robustness.runtime.quick_start import import_transformers, without_garbage_collection
from unlearning_robustness.runtime.resume import Files, pending_cells
from unlearning_robustness.runtime.tracebacks import show_traceback

# Of the box, not of the working directory: two studies of one user share its GPUs.
LEASES = Path(tempfile.gettempdir()) / f"gpu-leases-{os.getuid()}"


@dataclass
class Job:
    """A running job: its provenance, and the device and precision it computes with.

    ``placement`` is where a model that is not trained is loaded: ``device``, or "auto" for all GPUs of the job.
    """

    provenance: Provenance
    device: str
    placement: str
    dtype: object
    snakemake: object

    def cells(self) -> Iterator[tuple[int, Cell, Files]]:
        """The job's cells that are not finished, see ``pending_cells``; costs are counted for each alone.

        Of several processes only the main one touches files: guard what writes them by ``if is_main()``.
        """
        cells = pending_cells(self.snakemake)
        if started():
            from unlearning_robustness.runtime.parallel import broadcast

            cells = broadcast(cells)
        for index, cell, files in cells:
            print(f"seed {cell.seed}", flush=True)
            self.provenance.begin()
            self.provenance.facts["wildcards"]["seed"] = str(cell.seed)
            yield index, cell, files


@contextmanager
def job(snakemake, model: dict | None = None, processes: int = 1) -> Iterator[Job]:
    """Run a rule's work: output goes to the rule's log, torch gets the rule's threads.

    ``model`` is the model's config entry for rules that compute with it; without it torch is not imported. With
    several ``processes`` the work is done by so many together, of which the first writes the log, but each its errors.
    Errors that a person can mend end the job with one line, others with a traceback.
    """
    with _log(snakemake) as log, open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = log if is_main() else nowhere
        try:
            yield _start(snakemake, model, processes, log)
            if started():
                exit_now(0)
        except Exception as error:
            sys.stdout = sys.stderr = log
            if isinstance(error, StudyError):
                show_traceback(error)
                print(f"error: {error}")
            elif isinstance(error, ModuleNotFoundError):
                print(f"error: the package {error.name} is missing: pip install -r requirements.lock")
            else:
                traceback.print_exc()
            exit_now(1)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _log(snakemake) -> TextIO:
    """The rule's log; a process of the launcher writes where that does."""
    return os.fdopen(os.dup(1), "w", buffering=1) if started() else open(snakemake.log[0], "w", buffering=1)


def _start(snakemake, model: dict | None, processes: int, log: TextIO) -> Job:
    provenance = Provenance(
        rule=snakemake.rule,
        wildcards=dict(snakemake.wildcards.items()),
        settings=dict(snakemake.params.items()),
    )
    if model is None:
        return Job(provenance, "cpu", "cpu", None, snakemake)
    gpu = int(snakemake.resources.get("gpu", 0))
    if gpu == 0 and "SLURM_JOB_ID" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    lease_gpus(gpu, LEASES)
    if processes > 1 and not started():
        launch(processes, log)
    with without_garbage_collection():
        import torch

        import_transformers(processes)
    from unlearning_robustness.runtime.device import choose_device, choose_dtype
    from unlearning_robustness.runtime.parallel import join

    torch.set_num_threads(max(1, snakemake.threads // processes))
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = join(processes, choose_device(gpu, model["device"]))
    dtype = choose_dtype(device, model["dtype"])
    provenance.facts |= {"device": _device_name(device), "dtype": str(dtype).removeprefix("torch.")}
    provenance.facts["processes"] = processes
    provenance.facts["visible_devices"] = os.environ.get("CUDA_VISIBLE_DEVICES")
    print(f"{snakemake.rule} on {provenance.facts['device']} in {provenance.facts['dtype']}", flush=True)
    spread = model["placement"] == "auto" and device == "cuda"
    return Job(provenance, device, "auto" if spread else device, dtype, snakemake)


def _device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
