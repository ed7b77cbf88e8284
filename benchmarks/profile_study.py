"""Where the CPU-seconds of a finished study go: by rule, and by operator of one of its jobs.

Usage: python benchmarks/profile_study.py [--configfile studies/ci.yaml] [--job RULE TARGET]

The rules' seconds are those that Snakemake measured. For operators the job of RULE that makes the file TARGET runs once
more, here, under torch's profiler; what it writes goes into a temporary folder. The file is not called ``profile.py``,
as torch would import it in place of Python's module of that name.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

import pandas

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from unlearning_robustness.workflow.debug import load_workflow, mock_of_target, run_script

OUTSIDE = "outside operators: imports, Python, files"
SHOWN = 25


def by_rule(times: Path) -> pandas.DataFrame:
    """One row a rule of the benchmark files below ``times``, the costliest first: jobs, CPU-seconds, most memory (GB).

    A job that ran more than once counts with its last run. Rules without a benchmark file have no row.
    """
    rows = [
        {"rule": path.relative_to(times).parts[0], **pandas.read_json(path, lines=True).iloc[-1]}
        for path in sorted(times.rglob("*.jsonl"))
    ]
    runs = pandas.DataFrame(rows, columns=["rule", "cpu_time", "max_rss"])
    spent = runs.groupby("rule")["cpu_time"]
    table = pandas.DataFrame({"jobs": spent.size(), "cpu_seconds": spent.sum(), "cpu_seconds_a_job": spent.mean()})
    table["share"] = table["cpu_seconds"] / table["cpu_seconds"].sum()
    table["gb"] = runs.groupby("rule")["max_rss"].max() / 1024
    return table.sort_values("cpu_seconds", ascending=False)


def by_operator(work: Callable[[], object]) -> pandas.DataFrame:
    """One row an operator of torch that ``work`` calls, the costliest first: calls and its own CPU-seconds.

    What the process spends beside operators is a row of its own.
    """
    import torch

    threads, started = torch.get_num_threads(), time.process_time()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        work()
    total = time.process_time() - started
    table = pandas.DataFrame(
        [(each.key, each.count, each.self_cpu_time_total / 1e6) for each in profiler.key_averages()],
        columns=["operator", "calls", "cpu_seconds"],
    ).set_index("operator")
    # On several threads operators take more of the processor than of the clock, which the profiler reads.
    rest = total - table["cpu_seconds"].sum() if threads == 1 else float("nan")
    table.loc[OUTSIDE] = [0, max(rest, 0.0)]
    table["share"] = table["cpu_seconds"] / table["cpu_seconds"].sum()
    return table.sort_values("cpu_seconds", ascending=False)


def run_aside(rule: str, target: str, configfiles: Sequence[str]) -> None:
    """Run the job of ``rule`` that makes ``target`` on the inputs that lie here; its outputs are thrown away."""
    mock = mock_of_target(rule, target, configfiles)
    with _copy_of_inputs(list(map(Path, mock.input))) as folder:
        for path in map(Path, mock.output):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        run_script(mock)


@contextmanager
def _copy_of_inputs(inputs: list[Path]) -> Iterator[Path]:
    """A working directory, a temporary one, with links to the inputs at their own paths."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as name, chdir(name):
        folder = Path(name)
        for path in inputs:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(here / path)
        yield folder


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", nargs="*", default=[])
    parser.add_argument("--job", nargs=2, metavar=("RULE", "TARGET"))
    given = parser.parse_args(arguments)
    times = Path(load_workflow(given.configfile).globals["paths"].times)
    print(by_rule(times).round(2).to_string())
    if given.job:
        print(by_operator(lambda: run_aside(*given.job, given.configfile)).head(SHOWN).round(3).to_string())


if __name__ == "__main__":
    main()
