"""The command unlearning-robustness: studies with Snakemake behind them, or one model at a time without it.

It returns 0, 1 where jobs failed, and 2 for what a person can mend, which one line on stderr says.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from unlearning_robustness.config.root import ROOT
from unlearning_robustness.errors import ConfigError, StudyError

MENDABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    said = parser().parse_args(arguments)
    try:
        return said.run(said) or 0
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return MENDABLE


def parser() -> argparse.ArgumentParser:
    """The subcommands with their options."""
    whole = argparse.ArgumentParser(prog="unlearning-robustness", description=__doc__.splitlines()[0])
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(run=run)
        return added

    for name, run, text in (
        ("run", study, "run a study: everything that it lacks, and its report"),
        ("plan", plan, "say what a study will cost, without running it"),
        ("report", report, "write the report of a study that was run"),
    ):
        added = command(name, run, text)
        added.add_argument("study", nargs="?", default="", help="a name in studies/, or a file; without it config.yaml")
        added.add_argument("--cores", default="all", help="how many cores jobs share (default: all)")
    added = command("audit", audit, "say what is left in a model that was unlearned elsewhere: docs/audit.md")
    from unlearning_robustness.workflow.audit import add_arguments

    add_arguments(added)
    added.add_argument("--cores", default="all", help="how many cores jobs share (default: all)")
    _add_model_commands(command)
    return whole


def _add_model_commands(command: Callable) -> None:
    """Those that take one model; files are of the forms of docs/own-data.md."""
    added = command("unlearn", unlearn, "make a model forget texts, and write it as a folder")
    for name, text in (
        ("model", "folder of the model, or owner/name of the hub"),
        ("forget", "file of texts to forget"),
        ("retain", "file of texts to keep"),
        ("output", "folder to write, which must not exist"),
    ):
        added.add_argument(f"--{name}", required=True, help=text)
    added.add_argument("--method", default="adaptive-rmu", help="id of a method (default: adaptive-rmu)")
    added.add_argument("--defence", default="none", help="id of a defence (default: none)")
    _add_settings(added, "method")
    added = command("attack", attack, "attack a model and ask it at every point of the attack's budget")
    added.add_argument("--attack", default="relearn", help="id of an attack (default: relearn)")
    added.add_argument("--texts", help="file of the texts that the attacker trains on")
    _add_settings(added, "attack")
    _add_asking(added)
    _add_asking(command("evaluate", evaluate, "ask a model questions"))


def _add_settings(added: argparse.ArgumentParser, of: str) -> None:
    added.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    text = f"another value of a key of the {of}, such as steps=20; may be repeated"
    added.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)


def _add_asking(added: argparse.ArgumentParser) -> None:
    added.add_argument("--model", required=True, help="folder of the model, or owner/name of the hub")
    added.add_argument("--questions", required=True, help="file of questions")
    added.add_argument("--output", required=True, help="records.parquet to write: docs/records.md")


def study(said: argparse.Namespace) -> int:
    """Run a study and write its report."""
    return _snakemake(said.study, said.cores) or report(said)


def plan(said: argparse.Namespace) -> int:
    """Print the cost of a study."""
    log = Path(_results(said.study), "logs", "plan.log")
    failed = _snakemake(said.study, said.cores, "--quiet", "all", "--", "plan")
    print(log.read_text() if log.is_file() else "", end="")
    return failed


def report(said: argparse.Namespace) -> int:
    """Write the report of a study."""
    target = Path(_results(said.study), "report.zip")
    return _snakemake(said.study, said.cores, "--report", str(target))


def audit(said: argparse.Namespace) -> int:
    """Write the study of an audit, and run it."""
    from unlearning_robustness.workflow.audit import write_study

    said.study = str(write_study(said))
    print(said.study, flush=True)
    return study(said)


def unlearn(said: argparse.Namespace) -> None:
    """Unlearn and write the folder."""
    from unlearning_robustness import interface

    forget, retain = interface.read_texts(said.forget), interface.read_texts(said.retain)
    loaded, given = interface.load(said.model), (said.method, said.defence, said.seed)
    done = interface.unlearn(loaded, forget, retain, *given, **_settings(said.set))
    interface.save(loaded, said.output, done.tensors)
    print(f"{said.output}: {len(done.tensors)} tensors changed, by {done.facts['weight_change']:.4g} in all")


def attack(said: argparse.Namespace) -> None:
    """Attack and write the records."""
    from unlearning_robustness import interface

    texts = interface.read_texts(said.texts) if said.texts else ()
    given = (interface.read_questions(said.questions), texts, None, said.attack, said.seed)
    _write(said, interface.attack(interface.load(said.model), *given, **_settings(said.set)))


def evaluate(said: argparse.Namespace) -> None:
    """Ask and write the records."""
    from unlearning_robustness import interface

    asked = interface.read_questions(said.questions)
    _write(said, interface.ask(interface.load(said.model), asked))


def _write(said: argparse.Namespace, records) -> None:
    """Write records and print the accuracy at each point."""
    from unlearning_robustness.scoring.records import BUDGET, write

    write(said.output, [records])
    for point, part in records.groupby([*BUDGET, "setting"], sort=False):
        spent = ", ".join(f"{name} {value}" for name, value in zip((*BUDGET, "setting"), point, strict=True) if value)
        right, asked = part["correct"].sum(), len(part)
        print(f"{spent or 'as it is'}: {right} of {asked} right, {100 * right / asked:.0f} %")


def _settings(pairs: Sequence[str]) -> dict:
    """Keys and values as YAML has them."""
    if wrong := next((pair for pair in pairs if "=" not in pair), None):
        raise ConfigError(f"--set {wrong}: give KEY=VALUE, such as steps=20")
    return {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in pairs)}


def _overlay(name: str) -> list[Path]:
    """The file of a study, by its name or path; none of the default one."""
    if not name:
        return []
    for path in (Path(name), ROOT / "studies" / f"{name}.yaml"):
        if path.is_file():
            return [path]
    known = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))
    raise ConfigError(f"no study {name}; there are: {', '.join(known)}")


def _results(name: str) -> str:
    """The results folder of a study, which is checked. Raises ConfigError for what is wrong with it."""
    from unlearning_robustness.config.yaml_text import check_text
    from unlearning_robustness.workflow.study import Study, loaded

    own = _overlay(name)
    for path in own:
        check_text(path)
    checked = Study(loaded(own[0]) if own else {}, ROOT, own=own)
    return checked.config["study"]["results"]


def _snakemake(name: str, cores: str, *arguments: str) -> int:
    """Run Snakemake on a study in this folder; 1 where it fails."""
    _results(name)
    overlay = ["--configfile", *map(str, own)] if (own := _overlay(name)) else []
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
        "--workflow-profile", str(ROOT / "profiles" / "default"), "--cores", cores, *overlay, *arguments,
    ]  # fmt: skip
    return int(subprocess.run(command, check=False).returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
