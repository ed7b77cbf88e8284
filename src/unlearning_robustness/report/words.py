"""Estimates in words: rows with ``mean``, ``low`` and ``high``."""


def interval(row, scale: float = 100.0) -> str:
    """An estimate with its interval, in percent."""
    return f"{scale * row['mean']:.0f} [{scale * row['low']:.0f}, {scale * row['high']:.0f}]"


def percent(row) -> str:
    """An accuracy in percent with its interval."""
    return f"{100 * row['mean']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"


def points(row) -> str:
    """A difference in points with its interval."""
    return f"{100 * row['mean']:+.1f} points [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def coefficient(row) -> str:
    """A correlation with its interval."""
    return f"{row['mean']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def verdict(row, more: str, less: str, same: str) -> str:
    """One of three readings of a difference, by which side of zero its interval lies on."""
    return more if row["low"] > 0 else less if row["high"] < 0 else same
