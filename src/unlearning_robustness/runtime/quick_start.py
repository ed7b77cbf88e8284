"""Keep out of a job's process what nothing of it needs: it is a fifth of the CPU time of its start."""

import sys
from contextlib import contextmanager

# Transformers imports both wherever they are installed: one to read models that it quantised, the other to train
# detectors of objects. What is used of them here is imported by name, where it is used.
UNUSED = ("torchao", "scipy")


@contextmanager
def absent(*packages: str):
    """Inside, ``packages`` that are not imported yet seem not to be installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def keep_transformers_small() -> None:
    """Let transformers find out, once for this process, that it cannot use ``UNUSED``."""
    with absent(*UNUSED):
        from transformers.utils import is_scipy_available, is_torchao_available

        is_scipy_available(), is_torchao_available()
