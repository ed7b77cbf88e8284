"""What a study builds on: files below studies/ whose entries it shares with other studies."""

from pathlib import Path

from unlearning_robustness.errors import ConfigError


def base_studies(config: dict, studies: Path) -> list[Path]:
    """The files that the key ``builds_on`` of a configuration names, in its order; each is read over the ones before.

    Raises ConfigError for a name that is no file below the folder ``studies``.
    """
    names = config.get("builds_on", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"builds_on: must be a list of files below studies/, without .yaml, not {names!r}")
    known = {path.relative_to(studies).with_suffix("").as_posix(): path for path in sorted(studies.rglob("*.yaml"))}
    for name in names:
        if name not in known:
            raise ConfigError(f"builds_on: no file {name!r} below studies/; there are: {', '.join(known)}")
    return [known[name] for name in names]
