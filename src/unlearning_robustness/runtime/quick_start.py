"""Keep out of a job's process what nothing of it needs: it is half of the CPU time of its start.

Everything is decided once for the process. What is left out can be imported later all the same.
"""

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from unittest import mock

# Transformers imports both wherever they are installed: one to read models that it quantised, the other to train
# detectors of objects. What is used of them here is imported by name, where it is used.
UNUSED = ("torchao", "scipy")
COMPILER = "torch._dynamo"
# The part of it that transformers' masks are made with, which needs no other.
ALONE = f"{COMPILER}._trace_wrapped_higher_order_op"


@contextmanager
def absent(*packages: str) -> Iterator[None]:
    """Inside, ``packages`` that are not imported yet seem not to be installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Inside, nothing is collected; what was made there is taken to stay and is never looked through again.

    Modules are many objects and no garbage: to look for some among them takes a fifth of the time of importing them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


class NoCompiler(ModuleType):
    """Stands in for torch's compiler, of which torch and transformers only ask that it leave functions alone.

    Asked for anything else, a part of it included, it gives way to the compiler itself.
    """

    def __init__(self, folder: Path):
        super().__init__(COMPILER)
        self.__path__ = [str(folder)]
        self.disable = self.allow_in_graph = self.assume_constant_result = self.graph_break = _unchanged
        self.parts = Parts(self)

    def put(self) -> None:
        """From now on an import finds this."""
        sys.modules[COMPILER] = self
        sys.meta_path.insert(0, self.parts)

    def remove(self) -> None:
        """The next import finds the compiler."""
        import torch

        if self.parts in sys.meta_path:
            sys.meta_path.remove(self.parts)
        if sys.modules.get(COMPILER) is self:
            del sys.modules[COMPILER]
        if vars(torch).get("_dynamo") is self:
            del torch._dynamo

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        self.remove()
        return getattr(importlib.import_module(COMPILER), name)


class Parts(MetaPathFinder):
    """Finds parts of the compiler, which need the whole but for ``ALONE``."""

    def __init__(self, stand_in: NoCompiler):
        self.stand_in = stand_in

    def find_spec(self, name: str, *_) -> ModuleSpec | None:
        if not name.startswith(f"{COMPILER}.") or name == ALONE:
            return None
        self.stand_in.remove()
        return ModuleSpec(name, Imported(importlib.import_module(name)))


class Imported(Loader):
    """Gives an import that has begun a module that was imported since."""

    def __init__(self, module: ModuleType):
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def _unchanged(function: Callable | None = None, *_, **__) -> Callable:
    return function or _unchanged


@contextmanager
def without_compiler() -> Iterator[None]:
    """Inside, what would import ``torch._dynamo`` to mark a function that it must not compile does without.

    Loading a model does, and stepping an optimiser. A function that was marked inside stays as it is.
    """
    import torch

    if COMPILER in sys.modules:
        yield
        return
    stand_in = NoCompiler(Path(torch.__file__).parent / "_dynamo")
    stand_in.put()
    try:
        yield
    finally:
        stand_in.remove()


def import_transformers(processes: int = 1) -> None:
    """Import transformers' model code, which finds out once that it cannot use what is ``UNUSED``.

    Nor can it divide a model over ``processes`` where there is but one.
    """
    import torch

    with absent(*UNUSED):
        from transformers.utils import is_scipy_available, is_torch_distributed_available, is_torchao_available

        is_scipy_available(), is_torchao_available()
    together = processes > 1 and torch.distributed.is_available()
    with mock.patch.object(torch.distributed, "is_available", lambda: together):
        is_torch_distributed_available()
    with without_compiler():
        for module in ("modeling_utils", "masking_utils"):
            importlib.import_module(f"transformers.{module}")
        # Marks what all optimisers share.
        torch.optim.SGD([torch.zeros(1)], lr=0.0).zero_grad()
