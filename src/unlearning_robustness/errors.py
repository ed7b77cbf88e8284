"""Errors that a person can mend. Each message is one line that names what is wrong and the mend."""

import os
import re

# Tokens of the Hugging Face hub, and what stands for a person in an address: user:password@host.
SECRETS = re.compile(r"hf_[A-Za-z0-9]{6,}|(?<=://)[^/\s@]+@")
TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# What a message keeps of its beginning and its end, in characters: it may quote a whole value.
HEAD, TAIL = 1000, 200


def without_secrets(text: str) -> str:
    """A text with dots for tokens: those of the environment, whatever looks like one, and passwords in addresses."""
    for name in TOKEN_NAMES:
        # A shorter one is no token, and could be a word.
        if len(token := os.environ.get(name, "")) >= 8:
            text = text.replace(token, "…")
    return SECRETS.sub("…", text)


def printable(text: str) -> str:
    """A text with escapes for signs that no terminal shows, as keys of a configuration can hold."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode() for sign in text
    )


class StudyError(Exception):
    """A study cannot go on; shown without a traceback. The message is cut where it is long, and holds no token."""

    def __init__(self, message: str):
        message = printable(without_secrets(message))
        long = len(message) > HEAD + TAIL
        super().__init__(f"{message[:HEAD]} … {message[-TAIL:]}" if long else message)


class ConfigError(StudyError, ValueError):
    """The configuration cannot be run."""


class FetchError(StudyError, RuntimeError):
    """A model could not be fetched."""


class ModelFileError(StudyError, ValueError):
    """A model folder is missing, incomplete or damaged."""


class ArtefactError(StudyError, ValueError):
    """A file of a study is not what a job wrote there."""


class DeltaError(StudyError, ValueError):
    """A delta does not fit the model it is applied to."""


class DataError(StudyError, ValueError):
    """Facts or texts do not suffice for what the configuration asks of them."""


class TrainingError(StudyError, RuntimeError):
    """A loss or gradient became NaN or infinite."""


class ScoreError(StudyError, ArithmeticError):
    """A log-likelihood is NaN or infinite, so that it answers nothing."""


class InterruptionError(StudyError, RuntimeError):
    """A job had to stop before its end, and has saved its state."""
