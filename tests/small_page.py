"""A small planted study on its page."""

from pathlib import Path

from synthetic import PLACE, all_tables, inputs_of, measures_of, of_study, study, write_study
from synthetic_measures import planted

from unlearning_robustness.config.display import index_settings
from unlearning_robustness.page.build import build
from unlearning_robustness.page.study import Study
from unlearning_robustness.runtime.manifest import write_json
from unlearning_robustness.scoring.records import read

GRIDS = [
    {"methods": ["reference"], "defences": ["none"], "attacks": ["none", "relearn"]},
    {"methods": ["rmu"], "defences": ["none", "rna"], "attacks": ["none", "relearn"], "trajectory": True},
]
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30"><rect width="60" height="30"/></svg>'


def written(root: Path, accuracy=None, **changes) -> Study:
    """A planted study below ``root``, with records, tables and one figure."""
    config = study(changes.pop("cells", GRIDS), **{"seeds": [0, 1], "figures": ["accuracy"], **changes})
    paths = write_study(config, root, *([accuracy] if accuracy else []))
    tables = all_tables(inputs_of(read(paths), of_study(config), measures_of(paths), **planted(config)))
    (root / "tables").mkdir()
    for name, table in tables.items():
        table.to_csv(root / "tables" / f"{name}.csv", index=False)
    figure = root / "figures" / PLACE[0] / PLACE[1] / "accuracy.svg"
    figure.parent.mkdir(parents=True)
    figure.write_text(FIGURE)
    for path in paths:
        write_json(path.with_name("manifest.json"), {"machine": "x86_64", "device": "cpu", "versions": {"torch": "2"}})
    captions = {"accuracy": {"caption": "What is known.", "tables": ["accuracy", "floors"]}}
    settings = index_settings(config) | {"figures": captions, "overlay": "studies/small.yaml"}
    return Study(
        settings, root, [root / "tables" / f"{name}.csv" for name in tables], [figure], paths,
        [path.with_name("manifest.json") for path in paths], times=root / "benchmark_times",
    )  # fmt: skip


def page_of(study: Study) -> Path:
    """The page of a study."""
    build(study, study.root / "index.html", study.root / "answers")
    return study.root / "index.html"
