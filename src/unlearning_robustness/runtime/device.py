"""Where and in which precision a job computes."""

import fcntl
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from unlearning_robustness.errors import ConfigError

BFLOAT16_FLAGS = {"matrices": "amx_bf16", "vectors": "avx512_bf16"}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """How this CPU multiplies best: "matrices" of bfloat16 (AMX), "vectors" of bfloat16 (AVX-512), or "float32"."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return "float32"
    return next((kind for kind, flag in BFLOAT16_FLAGS.items() if flag in text), "float32")


def lease_gpus(gpus: int, folder: Path, poll_seconds: float = 5.0) -> list[int]:
    """Reserve ``gpus`` GPUs of this box for this process and make only these visible; waits until they are free.

    Snakemake counts GPUs but does not assign them. Inside SLURM, or where CUDA_VISIBLE_DEVICES is set, they are
    assigned already and nothing is leased. The kernel frees the locks when the process ends, however it ends.
    """
    assigned = "SLURM_JOB_ID" in os.environ or "CUDA_VISIBLE_DEVICES" in os.environ
    if gpus == 0 or assigned or (count := _gpu_count()) == 0:
        return []
    while (leased := try_lease(count, min(gpus, count), folder)) is None:
        time.sleep(poll_seconds)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, leased))
    return leased


def try_lease(count: int, gpus: int, folder: Path) -> list[int] | None:
    """Lock ``gpus`` of ``count`` GPUs; None, and no lock, when that many are not free now."""
    folder.mkdir(parents=True, exist_ok=True)
    leased = []
    for index in range(count):
        handle = open(folder / f"gpu{index}.lock", "w")  # noqa: SIM115 - held until the process ends
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            continue
        os.set_inheritable(handle.fileno(), True)  # a job that becomes the launcher keeps it
        leased.append((index, handle))
        if len(leased) == gpus:
            _LEASES.extend(handle for _, handle in leased)
            return [index for index, _ in leased]
    for _, handle in leased:
        handle.close()
    return None


def _gpu_count(folder: Path = Path("/proc/driver/nvidia/gpus")) -> int:
    """GPUs of this box, without starting CUDA in this process (which would fix the visible devices).

    Where NVIDIA's driver does not list them, as under WSL2 or with AMD's, a child process counts them by torch.
    """
    if folder.is_dir():
        return len(list(folder.iterdir()))
    import torch  # the child inherits it

    if not (torch.version.cuda or torch.version.hip):
        return 0
    with ProcessPoolExecutor(1, get_context("fork")) as child:
        return child.submit(_torch_gpu_count).result()


def _torch_gpu_count() -> int:
    import torch

    return torch.cuda.device_count()


_LEASES: list = []


def choose_device(gpu: int, setting: str = "auto") -> str:
    """Give "cuda" or "cpu" to a job that was granted ``gpu`` GPUs.

    Inside SLURM the environment is trusted. A grant of 0 outside SLURM means CPU. Raises ConfigError when
    ``setting`` is "cuda" and there is none.
    """
    import torch

    in_slurm = "SLURM_JOB_ID" in os.environ
    available = torch.cuda.is_available() and (gpu > 0 or in_slurm)
    if setting == "cuda" and not available:
        raise ConfigError("models.*.device: cuda is requested, but this job has no CUDA device; use device: auto")
    return "cuda" if available and setting != "cpu" else "cpu"


def choose_dtype(device: str, setting: str = "auto"):
    """The compute type: bfloat16 where the hardware has it, else float32."""
    import torch

    if setting != "auto":
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[setting]
    # Without hardware support bfloat16 is slower than float32.
    fast = torch.cuda.is_bf16_supported() if device.startswith("cuda") else processor() != "float32"
    return torch.bfloat16 if fast else torch.float32
