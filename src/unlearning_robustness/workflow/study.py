"""A study as the rules see it: one object, from the user's configuration and the folder of this repository."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

from unlearning_robustness.config import resolve
from unlearning_robustness.config.comparisons import check_compared
from unlearning_robustness.config.layers import check_depths, declared_depths
from unlearning_robustness.config.mixtures import check_mixtures
from unlearning_robustness.config.overlays import base_names, base_studies
from unlearning_robustness.config.positions import check_positions
from unlearning_robustness.config.schema import without_display
from unlearning_robustness.config.yaml_text import check_text
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.models.shape import depths_in, experts_in, positions_in
from unlearning_robustness.workflow.papers import Papers
from unlearning_robustness.workflow.parameters import Parameters
from unlearning_robustness.workflow.paths import FETCHED_MODEL, Paths
from unlearning_robustness.workflow.report import Report
from unlearning_robustness.workflow.requests import Requests
from unlearning_robustness.workflow.targets import Targets
from unlearning_robustness.workflow.tuning import Tuning
from unlearning_robustness.workflow.writable import check_writable


class Study:
    """The resolved configuration, and what rules ask of it: paths, targets, parameters, requests and searches.

    ``stated`` is what the user, or a workflow that imports this one as a module, sets over config.yaml in ``root``;
    it comes from the files ``own``, and the command line. Raises ConfigError, one line that names the key and the mend.
    """

    def __init__(self, stated: dict, root: Path, prefixed: Callable[[str], str] = str, own: Iterable[str | Path] = ()):
        own = [Path(path) for path in own]
        self.files = [root / "config.yaml", *base_studies(stated, root / "studies", own)]
        for path in [*self.files, *own]:
            check_text(path)
        models = Path(prefixed(FETCHED_MODEL)).parent
        self.config = resolve(
            merged(self.files, stated), lambda config: declared_depths(config) | depths_in(config, models)
        )
        check_compared(self.config["study"])
        self.paths = Paths(self.config, prefixed)
        check_depths(self.config, depths_in(self.config, models))
        check_mixtures(self.config, experts_in(self.config, models))
        check_positions(self.config, positions_in(self.config, models))
        # Labels, notes and licences reach pages and figures alone: a word that changes trains nothing again.
        self.science = without_display(self.config)
        self.parameters = Parameters(self.science, self.paths)
        self.targets = Targets(self.config, self.paths)
        self.requests = Requests(self.config, self.parameters)
        self.report = Report(self.config, self.science, self.paths, self.targets)
        self.papers = Papers(self.report)

    @cached_property
    def tuning(self) -> Tuning:
        """What is tuned."""
        return Tuning(self.parameters)

    def check_writable(self) -> None:
        """Raise ConfigError when results cannot be written where the configuration says."""
        for key in ("results", "reuse_results"):
            if key in self.config["study"]:
                check_writable(Path(self.paths.prefixed(self.config["study"][key])), f"study.{key}")


def loaded(path: Path) -> dict:
    """What a file says, as Snakemake reads it. Raises ConfigError, one line with the file."""
    from snakemake.common.configfile import load_configfile
    from snakemake.exceptions import WorkflowError

    try:
        return load_configfile(path)
    except WorkflowError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None


def merged(files: list[Path], stated: dict) -> dict:
    """What the files say, each over the ones before, and ``stated`` over all: mappings key by key, lists whole.

    Raises ConfigError for a file that builds on one that is not before it.
    """
    from snakemake.utils import update_config

    config = {}
    for number, path in enumerate(files):
        said = loaded(path)
        for name in base_names(said):
            if not any(before.as_posix().endswith(f"/{name}.yaml") for before in files[:number]):
                raise ConfigError(f"builds_on: {path.stem!r} builds on {name!r} itself; name {name!r} before it")
        update_config(config, said)
    update_config(config, stated)
    return config
