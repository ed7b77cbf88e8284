"""What is tuned on the select split, and with which settings."""

from unlearning_robustness.config.cells import in_order, places
from unlearning_robustness.config.constants import constant
from unlearning_robustness.workflow.parameters import Parameters
from unlearning_robustness.workflow.paths import filled

KINDS = ("methods", "noise", "attack", "defences")
# What a search over a method's own settings tries, so that their present values rerun nothing.
VARIED = constant("evaluation.tuning", "VARIED")["methods"]


class Tuning:
    """The searches of a study; all but ``searches`` and ``margins`` are functions of wildcards (kind, method)."""

    def __init__(self, parameters: Parameters):
        self.parameters, self.paths = parameters, parameters.paths
        self.settings = parameters.config.get("tuning") or {}
        self.seeds = self.settings.get("seeds", [])
        self.every = self.settings.get("every")

    @property
    def margins(self) -> dict[str, float | None]:
        """The two numbers of the criterion."""
        return {name: self.settings.get(name) for name in ("utility_bound", "forget_margin")}

    @property
    def configured(self) -> dict:
        """What the configuration has, beside which the table shows what is chosen."""
        return {key: self.parameters.config.get(key) for key in ("methods", "defences", "attacks", "tuning")}

    def searches(self) -> list[dict[str, str]]:
        """Kind and method of every search that the study makes."""
        return [{"kind": kind, "method": method} for kind in KINDS for method in self._methods(kind)]

    def chosen(self) -> list[str]:
        """What each search chose, for every model and benchmark."""
        pairs = [{"model": model, "benchmark": name} for model, name in places(self.parameters.config["study"])]
        pattern = f"{self.paths.tuning}/chosen.json"
        return [filled(pattern, {**pair, **search}) for pair in pairs for search in self.searches()]

    def entry(self, wildcards) -> dict:
        """The resolved entries of the defences or the attack that are searched, if any."""
        config, kind = self.parameters.config, wildcards.kind
        if kind == "methods":
            return {}
        if kind == "attack":
            return config["attacks"][self.settings["attack"]["attack"]]
        if kind == "noise":
            return self.parameters.row_of(self.settings["noise"]["defence"], wildcards.method)[0]
        names, attack = self.settings["defences"]["grids"], config["attacks"][self.settings["defences"]["attack"]]
        return {"rows": {name: self.parameters.row_of(name, wildcards.method) for name in names}, "attack": attack}

    def grid(self, wildcards) -> dict:
        """The values that are tried."""
        grid = self.settings[wildcards.kind]
        return grid[wildcards.method] if wildcards.kind == "methods" else grid

    def method(self, wildcards) -> dict:
        """The method's settings, without those that this search varies."""
        varied = VARIED if wildcards.kind == "methods" else ()
        return {key: value for key, value in self.parameters.method(wildcards).items() if key not in varied}

    def chosen_method(self, wildcards) -> list[str]:
        """The method's chosen settings, where the method is tuned too: a search for noise or an attack uses them."""
        if wildcards.kind == "methods" or wildcards.method not in self.settings["methods"]:
            return []
        return [filled(f"{self.paths.tuning}/chosen.json", wildcards, kind="methods")]

    def _methods(self, kind: str) -> list[str]:
        if kind not in self.settings:
            return []
        parts = {part for name in in_order(self.parameters.config["study"], "defences") for part in name.split(".")}
        if kind == "noise" and self.settings["noise"]["defence"] not in parts:
            return []
        named = self.settings[kind] if kind == "methods" else self.settings[kind]["methods"]
        return [name for name in named if name in self.parameters.trained_methods]
