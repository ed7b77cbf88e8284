"""From the user's YAML to a study that is known to be runnable, before any job runs. Imports no torch."""

from collections.abc import Callable, Mapping

from unlearning_robustness.config.cells import defence_row, method_settings
from unlearning_robustness.config.checkpoints import check_checkpoints
from unlearning_robustness.config.compatibility import check_compatibility
from unlearning_robustness.config.demands import check_demands
from unlearning_robustness.config.effects import check_effects
from unlearning_robustness.config.folders import check_folders
from unlearning_robustness.config.layers import check_layers, declared_depths, with_scaled_layers
from unlearning_robustness.config.measures import check_measures
from unlearning_robustness.config.mixtures import check_mixtures, declared_experts
from unlearning_robustness.config.overlays import entries_like_others, inherit, without_removed
from unlearning_robustness.config.parameters import complete_parameters
from unlearning_robustness.config.plain_values import check_plain
from unlearning_robustness.config.references import check_references
from unlearning_robustness.config.schema import check_shape, fill_defaults
from unlearning_robustness.config.searches import check_searches
from unlearning_robustness.config.sources import check_sources, with_vocabularies
from unlearning_robustness.config.worlds import check_worlds, with_worlds
from unlearning_robustness.errors import ConfigError

__all__ = ["ConfigError", "defence_row", "method_settings", "resolve"]


def resolve(config: dict, depths_of: Callable[[dict], Mapping[str, int]] = declared_depths) -> dict:
    """The configuration, checked and with every default filled in; what is passed is left as it is.

    ``depths_of`` says how many layers each model of the study has, as far as that is known; of itself the
    configuration knows what ``shape`` declares. Raises ConfigError with one line that names the key and the mend.
    """
    check_plain(config)
    config = without_removed(config)
    whole = inherit(config)
    check_shape(whole, entries_like_others(config))
    resolved = with_worlds(complete_parameters(fill_defaults(with_vocabularies(whole))))
    check_folders(resolved["study"])
    check_references(resolved)
    resolved = with_scaled_layers(resolved, depths_of)
    check_checkpoints(resolved)
    check_sources(resolved)
    check_worlds(resolved)
    check_compatibility(resolved)
    check_effects(resolved)
    check_measures(resolved)
    check_searches(resolved)
    check_demands(resolved)
    check_layers(resolved)
    check_mixtures(resolved, declared_experts(resolved))
    return _sorted(resolved)


def _sorted(value):
    """Keys in order: Snakemake compares parameters as text, and their order in the YAML means nothing."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value
