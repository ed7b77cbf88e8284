"""Where models and data sets come from: exactly one place each, and a place on the hub is pinned to a commit."""

import re

from unlearning_robustness.errors import ConfigError

PACKAGE = ("package", "version", "file", "sha256")
PLACES = {"models": ("package", "hub", "path"), "sources": ("hub", "path")}
COMMIT = re.compile(r"[0-9a-f]{40}")


def check_origins(config: dict) -> None:
    """Raise ConfigError for the first model or source without exactly one place, or with one that is not pinned."""
    for axis, places in PLACES.items():
        for name, entry in config[axis].items():
            _check_place(f"{axis}.{name}", entry, places)


def _check_place(key: str, entry: dict, places: tuple[str, ...]) -> None:
    given = [place for place in places if place in entry]
    if len(given) != 1:
        said = " and ".join(given) or "none"
        raise ConfigError(f"{key}: comes from exactly one of {', '.join(places)}; {said} is given")
    if parts := [part for part in PACKAGE if part in entry]:
        if given != ["package"]:
            raise ConfigError(f"{key}.{parts[0]}: belongs to a package, not to {given[0]}; leave it out")
        if missing := [part for part in PACKAGE if part not in entry]:
            raise ConfigError(f"{key}: the key {missing[0]!r} is missing; a package has {', '.join(PACKAGE)}")
    hub = entry.get("hub")
    if hub and not COMMIT.fullmatch(hub["revision"]):
        kind = "datasets/" if key.startswith("sources.") else ""
        page = f"https://huggingface.co/{kind}{hub['repository']}/commits/main"
        raise ConfigError(
            f"{key}.hub.revision: {hub['revision']!r} is no commit, so it can change; take the 40 letters and digits "
            f"of one from {page}"
        )
