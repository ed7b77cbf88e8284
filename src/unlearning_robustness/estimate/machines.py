"""How fast machines are at this work, and the seconds that work takes on them."""

from dataclasses import dataclass

from unlearning_robustness.models.shape import Work


@dataclass(frozen=True)
class Machine:
    """Operations a second that this work reaches, seconds that each call of a layer takes at least, and the start."""

    label: str
    operations: float
    call: float
    start: float

    def seconds(self, work: Work) -> float:
        """Seconds of a process that does ``work``."""
        return self.start + work.operations / self.operations + work.layer_calls * self.call


# The first three fit measured runs of the laptop model, two jobs at a time (tests/estimate); float32's was one with
# AVX2. The GPUs' are not measured: a third of the dense bfloat16 peak that the maker gives, and a call a tenth of
# a millisecond.
MACHINES = {
    "matrices": Machine("one CPU core with a bfloat16 matrix unit", 0.35e12, 1.0e-3, 6.0),
    "vectors": Machine("one CPU core with bfloat16 vectors", 0.19e12, 1.5e-3, 8.0),
    "float32": Machine("one CPU core with float32", 0.044e12, 2.0e-3, 12.0),
    "a100": Machine("A100", 0.1e15, 1.0e-4, 20.0),
    "h100": Machine("H100 or H200", 0.33e15, 1.0e-4, 20.0),
}
