"""What each group of tables, figure and page reads, asked without a DAG."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from studies import ROOT, STUDIES, load_study
from unlearning_robustness.analysis import GROUPS, TABLES
from unlearning_robustness.analysis.inputs import COLUMNS, READERS
from unlearning_robustness.config.constants import constant, registry
from unlearning_robustness.config.kinds import FIGURES, PAGES, module_of, registered
from unlearning_robustness.workflow.study import Study


def report_of(name, **changes):
    config = load_study(name)
    for axis, entries in changes.items():
        for key, change in entries.items():
            config[axis][key] = {**config[axis][key], **change} if isinstance(change, dict) else change
    return Study(config, ROOT).report


def wildcards(report, **names):
    (model, *_), (benchmark, *_) = (report.config["study"][axis] for axis in ("models", "benchmarks"))
    return SimpleNamespace(
        model=model, benchmark=benchmark, items=lambda: [("model", model), ("benchmark", benchmark)], **names
    )


def test_every_table_is_computed_by_one_job_that_reads_what_its_file_says():
    assert sorted(table for names in GROUPS.values() for table in names) == sorted(TABLES)
    for name, function in TABLES.items():
        module = registry("analysis", "TABLES")[name]
        assert function.__module__.endswith(module)
        assert set(constant(module, "READS")) <= {*COLUMNS, *READERS}


@pytest.mark.parametrize("kind", [*registered(FIGURES), *registered(PAGES)])
def test_figures_and_pages_read_tables_that_there_are(kind):
    registry_of = FIGURES if kind in registered(FIGURES) else PAGES
    reads = constant(module_of(registry_of, kind), "READS")
    assert kind == "claims" or set(reads) <= set(TABLES)


def test_a_change_of_what_tofu_measures_redraws_no_figure_of_rna():
    report = report_of("rna")
    groups = {table: group for group, tables in GROUPS.items() for table in tables}
    for figure in report.config["study"]["figures"]:
        tables = [Path(path).stem for path in report.figure_tables(wildcards(report, figure=figure))]
        assert "memorisation" not in {groups[table] for table in tables}


def test_labels_reach_figures_and_pages_and_no_table():
    plain, named = (
        report_of("ci"),
        report_of("ci", methods={"rmu": {"label": "New name"}}, study={"title": "New title"}),
    )
    for group in GROUPS:
        assert plain.group_settings(group) == named.group_settings(group)
    assert "New name" in json.dumps(named.figure_settings(wildcards(named, figure="accuracy")))
    assert "New title" in json.dumps(named.page_settings(wildcards(named, page="findings")))


def test_an_attacks_label_redraws_the_figures_of_attacks_alone():
    plain, named = report_of("ci"), report_of("ci", attacks={"relearn": {"label": "New name"}})
    redrawn = {
        figure
        for figure in registered(FIGURES)
        if plain.figure_settings(wildcards(plain, figure=figure))
        != named.figure_settings(wildcards(named, figure=figure))
    }
    assert redrawn == {
        "corrected-recovery", "matrix", "memorisation", "meta-evaluation", "relearning", "relearning-budget",
        "search-losses",
    }  # fmt: skip


@pytest.mark.parametrize("key", ["learning_rate", "steps", "retain_weight"])
def test_how_a_method_is_trained_reaches_pages_and_no_figure(key):
    plain, other = report_of("ci"), report_of("ci", methods={"rmu": {key: 7}})
    place = wildcards(plain, figure="accuracy", page="findings")
    assert plain.figure_settings(place) == other.figure_settings(place)
    assert plain.page_settings(place) != other.page_settings(place)


def test_a_change_of_one_attack_reaches_no_table_of_unattacked_models():
    report = report_of("ci")
    assert set(report.group_input("accuracy")) == {"answers", "measures"}
    attacked = set(report.recorded["attacked"])
    assert attacked and not attacked & set(report.recorded["answers"])
    assert attacked | set(report.recorded["answers"]) == set(report.targets.records)


def test_the_register_reads_the_tables_of_its_claims_and_only_the_examples_read_answers():
    report = report_of("rna")
    tables = [Path(path).stem for path in report.page_tables(wildcards(report, page="claims"))]
    named = {claim["table"] for claim in report.config["claims"].values()}
    assert tables == sorted({"pooled", "attack_validity", *named})
    answers = report.page_beside("records", report.recorded["answers"])
    assert answers(wildcards(report, page="examples")) == report.recorded["answers"]
    assert answers(wildcards(report, page="findings")) == []


@pytest.mark.parametrize("study", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_a_study_has_the_pages_that_have_something_to_say(study):
    report = report_of(study)
    assert {"findings", "summary", "examples"} <= set(report.pages)
    assert ("claims" in report.pages) == bool(report.config["claims"])
    assert report.paths.landing in report.files and len(report.files) == len(set(report.files))
