"""One progress line every few seconds in a job's log: done, rate, time left."""

import sys
import time


class Progress:
    """Counts towards ``total``; prints at most every ``interval`` seconds, and at the end."""

    def __init__(self, label: str, total: int, interval: float = 2.0, stream=None):
        self.label, self.total, self.interval = label, total, interval
        self.stream = stream or sys.stderr
        self.started = self.printed = time.monotonic()

    def __call__(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self.printed < self.interval and done < self.total:
            return
        self.printed = now
        elapsed = max(now - self.started, 1e-9)
        rate = done / elapsed
        left = (self.total - done) / rate if rate else float("inf")
        line = f"{self.label}: {done}/{self.total}, {rate:.2f}/s, {left:.0f} s left {note}"
        print(line.rstrip(), file=self.stream, flush=True)
