"""The tracebacks of errors that one line says: shown where Snakemake's ``--debug`` asks for them."""

import os
import traceback

# Jobs find it in their environment.
WANTED = "UNLEARNING_ROBUSTNESS_TRACEBACKS"


def show_traceback(error: Exception) -> None:
    """Print the traceback of an error to stderr, where it is wanted."""
    if os.environ.get(WANTED):
        traceback.print_exception(error)
