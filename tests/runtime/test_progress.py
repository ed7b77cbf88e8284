import io

import pytest

from unlearning_robustness.runtime import progress
from unlearning_robustness.runtime.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_line_comes_at_most_every_interval_and_at_the_end(clock):
    stream = io.StringIO()
    told = Progress("step", 10, interval=2.0, stream=stream)
    for done in range(1, 11):
        clock.now += 0.5
        told(done, f"note {done}")
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step: 4/10", "step: 8/10", "step: 10/10"]
    assert lines[0] == "step: 4/10, 2.00/s, 3 s left note 4"
    assert lines[-1] == "step: 10/10, 2.00/s, 0 s left note 10"


def test_a_line_without_a_note_has_no_trailing_space(clock):
    stream = io.StringIO()
    clock_start = Progress("texts", 4, stream=stream)
    clock.now += 8.0
    clock_start(2)
    assert stream.getvalue() == "texts: 2/4, 0.25/s, 8 s left\n"


def test_nothing_done_yet_leaves_the_time_open(clock):
    stream = io.StringIO()
    told = Progress("texts", 4, stream=stream)
    clock.now += 8.0
    told(0)
    assert "inf s left" in stream.getvalue()
