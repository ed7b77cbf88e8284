"""What a job reads of models: their entries, where they come from, and the folders in which they lie."""

from collections.abc import Callable, Sequence

from unlearning_robustness.config import method_settings
from unlearning_robustness.config.cells import retrain_of
from unlearning_robustness.config.checkpoints import checkpoint_of, is_whole
from unlearning_robustness.workflow.paths import Paths, all_filled

# How something is computed with, which does not change where it comes from.
COMPUTED_WITH = ("device", "dtype", "placement", "reader")


class ModelParameters:
    """Functions of a job's wildcards over the models and methods of a resolved configuration."""

    def __init__(self, config: dict, paths: Paths):
        self.config, self.paths = config, paths

    def model(self, wildcards) -> dict:
        """The entry of the model."""
        return self.config["models"][wildcards.model]

    def model_origin(self, wildcards) -> dict:
        """Where the model comes from."""
        return without(self.model(wildcards), COMPUTED_WITH)

    @property
    def fetched_models(self) -> list[str]:
        """Models that are downloaded or copied; the others are made here."""
        return [name for name in self.config["models"] if not self._made_by(name)]

    @property
    def fine_tuned_models(self) -> list[str]:
        """Models that are fine-tuned from a fetched one."""
        return [name for name in self.config["models"] if self._made_by(name) == "from"]

    @property
    def generated_models(self) -> list[str]:
        """Models that are pretrained here."""
        return [name for name in self.config["models"] if self._made_by(name) == "generated"]

    def _made_by(self, model: str) -> str | None:
        """The key that says how a model is made here; None for a fetched one."""
        return next((key for key in ("from", "generated") if key in self.config["models"][model]), None)

    def folder_of(self, model: str) -> str:
        """Where a model lies: fetched ones serve all studies, those made here depend on this study's settings."""
        return (self.paths.target_model if self._made_by(model) else self.paths.fetched_model).format(model=model)

    def model_folder(self, wildcards) -> str:
        """The folder of the model."""
        return self.folder_of(wildcards.model)

    def cell_folder(self, wildcards) -> str:
        """The folder of the model that the cell's delta is applied to: a checkpoint of other shapes is its own."""
        whole = is_whole(self.config["methods"].get(wildcards.method, {}))
        return self.checkpoint_folder(wildcards) if whole else self.model_folder(wildcards)

    def whole(self, wildcards) -> bool:
        """Whether the cell is a checkpoint that is loaded whole."""
        return is_whole(self.method(wildcards))

    def base_folder(self, wildcards) -> list[str]:
        """The folder of the model that an adapter belongs to; none for a whole model."""
        entry = self.model(wildcards)
        return [self.folder_of(entry["base"])] if "base" in entry else []

    def parent_folder(self, wildcards) -> str:
        """The folder of the model that a fine-tuned one starts from."""
        return self.folder_of(self.config["models"][wildcards.model]["from"])

    def method(self, wildcards) -> dict:
        """The entry of the method."""
        return method_settings(self.config, wildcards.method)

    def checkpoint_folder(self, wildcards) -> str:
        """The folder of the model that a method, a checkpoint, gives for the cell's model."""
        return self.folder_of(checkpoint_of(self.method(wildcards), wildcards.model))

    def treated(self, name: str) -> Callable[[object], list[str]]:
        """The files ``name`` of what is trained on the checkpoint that a method is, one a seed; none without that."""
        files = self.paths.each_seed(f"{self.paths.delta}/{name}")

        def treated(wildcards) -> list[str]:
            entry = self.method(wildcards)
            model, after = checkpoint_of(entry, wildcards.model), entry.get("after")
            return all_filled(files, wildcards, model=model, **after) if after else []

        return treated

    def retrained_model(self, wildcards) -> dict:
        """The entry of the model that never saw the forget texts."""
        return self.config["models"][retrain_of(self.config, wildcards.model)["model"]]

    def retrained_folder(self, wildcards) -> str:
        """Its folder."""
        return self.folder_of(retrain_of(self.config, wildcards.model)["model"])


def without(entry: dict, keys: Sequence[str]) -> dict:
    """The entry without these keys."""
    return {key: value for key, value in entry.items() if key not in keys}
