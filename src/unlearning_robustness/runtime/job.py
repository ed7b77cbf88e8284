"""What every script does first (log, threads, device), and how it fails: in one line where one line says it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.config.root import ROOT
from unlearning_robustness.runtime.artefacts import check_inputs, seal_outputs
from unlearning_robustness.runtime.device import lease_gpus
from unlearning_robustness.runtime.failures import report
from unlearning_robustness.runtime.launcher import exit_now, is_main, launch, started
from unlearning_robustness.runtime.manifest import Provenance
from unlearning_robustness.runtime.orphans import end_with_scheduler
from unlearning_robustness.runtime.quick_start import import_transformers, without_garbage_collection
from unlearning_robustness.runtime.resume import Files, pending_cells

# Of the box, not of the working directory: two studies of one user share its GPUs.
LEASES = Path(tempfile.gettempdir()) / f"gpu-leases-{os.getuid()}"
# Texts of this repository that rules read.
SOURCE = ROOT / "report"


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
    Before it every input is checked, after it every output is sealed (``artefacts``). Errors that a person can mend
    end the job with one line, others with a traceback.
    """
    with _log(snakemake) as log, open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = log if is_main() else nowhere
        try:
            end_with_scheduler()
            read = check_inputs(snakemake.input, SOURCE) if is_main() else {}
            yield _start(snakemake, model, processes, log)
            if is_main():
                seal_outputs(snakemake, read)
            if started():
                exit_now(0)
        except Exception as error:
            sys.stdout = sys.stderr = log
            report(error, log)
            exit_now(1)
        except KeyboardInterrupt:
            log.write("interrupted\n")
            exit_now(130)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _log(snakemake) -> TextIO:
    """The rule's log, or the terminal where it cannot be opened; a process of the launcher writes where that does."""
    try:
        return os.fdopen(os.dup(1), "w", buffering=1) if started() else open(snakemake.log[0], "w", buffering=1)
    except OSError as error:
        report(error, sys.stderr)
        return exit_now(1)


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
