"""What every job of the workflow finds in its environment."""

import os
from collections.abc import Sequence

from unlearning_robustness.runtime.tracebacks import WANTED

# A person's settings of the hub, for the jobs that download; every other job asks nothing of it.
ASKED = "HF_HUB_OFFLINE_ASKED"
SETTINGS = {
    # Torch on one thread a job: two jobs side by side beat one job on two threads.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Rounding weights needs none of torchao's kernels, and those of other builds would be named in every log.
    "TORCHAO_FORCE_SKIP_LOADING_SO_FILES": "1",
    # glibc gives freed memory back to the kernel at once, in small pages; keeping it, in huge ones, saves a fifth.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


def set_environment(arguments: Sequence[str] = ()) -> None:
    """Set it for this process and those that it starts; ``arguments`` are those of Snakemake's command line."""
    if "--debug" in arguments:
        os.environ[WANTED] = "1"
    os.environ.setdefault(ASKED, os.environ.get("HF_HUB_OFFLINE", "0"))
    os.environ.update(SETTINGS)
