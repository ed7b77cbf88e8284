"""What a defence says of itself to checks, plans and figures; nothing here changes what is trained."""

from collections.abc import Iterator


class DefenceFacts:
    """Defaults of a defence's nested class ``Facts``; ``settings`` are its resolved parameters.

    - ``acts_on``: "retain" for the branch that it works on, "reference" where it works through that branch's reference;
      on a method without one it would do nothing.
    - ``replaces``: parts of a step (see ``Step``), or the schedule or the weights; two defences of a row must not
      replace the same part.
    - ``shardable``: it also works where each process holds a part of every tensor.
    - ``needs_matched_cell``: it reads the trained cell that its parameter ``match`` names, and is not combined.
    - ``extra_retain_gradients``: gradients of retain text that each step takes beside the first.
    - ``colours``, ``marker``: how figures draw defences of this kind, one colour each; without them a figure chooses.
    """

    acts_on: str | None = None
    replaces: tuple[str, ...] = ()
    shardable = False
    needs_matched_cell = False
    extra_retain_gradients = 0
    colours: tuple[str, ...] = ()
    marker: str | None = None

    @staticmethod
    def problems(settings: dict) -> Iterator[tuple[str, str]]:
        """(parameter, what is wrong and the mend) where parameters do not go together."""
        yield from ()

    @staticmethod
    def unfit(settings: dict, method: dict) -> Iterator[str]:
        """Why it cannot be used with a resolved method entry, and the mend."""
        yield from ()

    @staticmethod
    def inert(settings: dict, method: dict, half_step: float) -> Iterator[str]:
        """Why it provably changes nothing in a run of a resolved method entry, and the mend.

        Relative changes of a weight below ``half_step`` are rounded away.
        """
        yield from ()

    @staticmethod
    def differentiates_gradients(settings: dict) -> bool:
        """Whether it needs a second derivative, which layers that run again on detached tensors do not allow."""
        return False

    @staticmethod
    def forget_gradients(settings: dict) -> int:
        """Forget gradients in each step; a Hessian-vector product counts as three."""
        return 1

    @staticmethod
    def steps(settings: dict, steps: int) -> int:
        """Steps that are trained where the method says ``steps``."""
        return steps

    @staticmethod
    def scores_select(settings: dict) -> bool:
        """Whether it scores the select questions while it trains."""
        return False

    @staticmethod
    def select_scorings(settings: dict, steps: int) -> int:
        """How often the select questions are scored in a run of ``steps`` steps."""
        return 0
