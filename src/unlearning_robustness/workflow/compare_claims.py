"""The claims of two studies side by side, from their tables: no model, no job.

``python -m unlearning_robustness.workflow.compare_claims results/world results/laptop``; `make compare-claims` calls
it. A study is named by its results folder, or as `make study` names it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas
import yaml

from unlearning_robustness.config.display import page_settings
from unlearning_robustness.config.folders import tidy
from unlearning_robustness.config.root import ROOT
from unlearning_robustness.errors import ConfigError, StudyError
from unlearning_robustness.report.claim_comparison import comparison, in_words
from unlearning_robustness.report.claims import register
from unlearning_robustness.report.context import read_context
from unlearning_robustness.report.markup import html_page
from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.workflow.study import Study

HERE = "results/compared_claims"
# The study of config.yaml alone.
DEFAULT = "default"


def study_of(named: str, root: Path = ROOT) -> Study:
    """The study with a results folder, or a name of ``studies/``; ConfigError where there is none."""
    for path in (root / "config.yaml", *sorted((root / "studies").glob("*.yaml"))):
        own = path.parent != root
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        name, results = path.stem if own else DEFAULT, said.get("study", {}).get("results")
        if named == name or (results and tidy(named) == tidy(results)):
            return Study(said, root, own=[path]) if own else Study({}, root)
    raise ConfigError(f"{named}: no study has this name or this results folder; give one of studies/, or {DEFAULT}")


def registers(study: Study) -> dict[str, pandas.DataFrame]:
    """The register of each model and benchmark of a study, by "MODEL/BENCHMARK", of the tables in its results folder.

    With ``analysis.replicates: models`` the models are averaged, and the first stands for all. Raises ConfigError for a
    study without claims, or whose tables are not there yet.
    """
    config, results = study.config, Path(study.paths.results)
    if not config["claims"]:
        raise ConfigError(f"{results}: this study registers no claims; name another one")
    names = {"pooled", "attack_validity", *(claim["table"] for claim in config["claims"].values())}
    files = [results / "tables" / f"{name}.csv" for name in sorted(names)]
    if missing := next((path for path in files if not path.is_file()), None):
        raise ConfigError(f"{missing}: is not there yet; run the study first")
    by_place = {}
    for model in config["study"]["models"]:
        for benchmark in config["study"]["benchmarks"]:
            context = read_context(files, page_settings(config, model, benchmark), model, benchmark)
            if any(len(context.every_measure[claim["table"]]) for claim in config["claims"].values()):
                by_place[f"{model}/{benchmark}"] = register(config["claims"], context.every_measure)
    averaged = config["analysis"].get("replicates") == "models"
    return dict(list(by_place.items())[:1]) if averaged else by_place


def compare(first: str, second: str, folder: Path = Path(HERE), root: Path = ROOT) -> list[Path]:
    """Write csv, markdown and html of every pair of places of both studies, and return the html files."""
    studies = [study_of(named, root) for named in (first, second)]
    pages = []
    for place, own in registers(studies[0]).items():
        for other_place, other in registers(studies[1]).items():
            ids = [study.config["study"]["name"] for study in studies]
            names = tuple(f"{name} ({where})" for name, where in zip(ids, (place, other_place), strict=True))
            table = comparison(names, tuple(study.config["claims"] for study in studies), (own, other))
            parts = zip(ids, (place, other_place), strict=True)
            stem = "--".join(f"{name}.{where.replace('/', '.')}" for name, where in parts)
            text = in_words(names, table)
            table.to_csv(_written(folder / f"{stem}.csv"), index=False)
            for ending, content in (("md", text), ("html", html_page("claims of two studies", text))):
                with atomic(folder / f"{stem}.{ending}") as path:
                    path.write_text(content, encoding="utf-8")
            pages.append(folder / f"{stem}.html")
    return pages


def _written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two studies and print the pages; the exit code is 2 for studies that cannot be compared."""
    named = sys.argv[1:] if arguments is None else list(arguments)
    if len(named) != 2:
        print("error: name two studies: make compare-claims A=results/world B=results/rna", file=sys.stderr)
        return 2
    try:
        pages = compare(*named)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(map(str, pages)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
