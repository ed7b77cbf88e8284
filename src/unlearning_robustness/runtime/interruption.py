"""Requests to stop: a scheduler sends SIGTERM at a cancellation or a time limit, and kills soon afterwards."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """Whether the process has been asked to stop."""

    def __init__(self):
        self.stop = False

    def __call__(self, *_) -> None:
        self.stop = True


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Inside the block SIGTERM only sets ``stop``, so that work ends where its state is whole."""
    request = StopRequest()
    before = signal.signal(signal.SIGTERM, request)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
