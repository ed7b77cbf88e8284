"""The one error of this package that a person causes: it names the key and the mend in one line."""


class ConfigError(ValueError):
    """The configuration cannot be run."""
