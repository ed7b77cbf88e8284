"""Which rules run again when one key of the default configuration changes: every leaf, one at a time.

What Snakemake compares of a job (its parameters and the paths that it reads and writes) is evaluated from the rules
themselves in this process; real dry runs confirm it.
"""

import re

import pytest
import yaml
from edited_rules import Rules, default_jobs, edited, leaves, outputs_of, reading_once, replaced
from quick import slow_but
from running import REPORT_RULES, TABLE_RULES, planned, snakemake

# Rules that no model takes part in: tables, figures, pages, checks.
SHOWN = {*REPORT_RULES, "tuning", "check_texts", "check_questions"}
MODEL = "smollm2-135m-instruct"
WITH_MODEL = {
    "attack", "build_prefix", "build_questions", "cache_activations", "evaluate", "search", "trajectory", "tune",
    "unlearn",
}  # fmt: skip
EVERY = WITH_MODEL | {"build_corpora", "build_probes", "choose_tuned", "reference"}
WRITTEN_FOR_PEOPLE = re.compile(
    r"study\.(title|settings|figures|shown_measure)|models\.[^.]+\.(license|note|shape\..*|download_mb)|"
    r"(probes|methods|defences|attacks)\.[^.]+\.label|defences\.[^.]+\.variant_of|claims\..*|expected\..*|"
    r"analysis\.(?!baseline_probe|forget_token_probe).*"
)
# Of these, the words: they change no table either.
WORDS = re.compile(
    r"study\.(title|settings|figures|shown_measure)|models\.[^.]+\.(license|note|shape\..*|download_mb)|"
    r"(probes|methods|defences|attacks)\.[^.]+\.label|claims\..*|analysis\.undecidable"
)
# Which computing rules run again, for keys that reach no single method, defence, attack or probe; first match counts.
RERUN = [
    (r"scoring\.batch_size", WITH_MODEL - {"cache_activations"}),
    (r"scoring\.precision", {"attack", "build_prefix", "build_questions", "evaluate", "trajectory"}),
    (r"scoring\.splits", {"build_probes", "attack"}),
    (r"searches\.\w+\.taught", set()),
    (r"searches\..*", {"search"}),
    (r"tuning\.(utility_bound|forget_margin)", {"choose_tuned"}),
    (r"tuning\.seeds", {"choose_tuned"}),
    (r"tuning\..*", {"tune"}),
    (rf"models\.{MODEL}\.(device|dtype|placement)", WITH_MODEL),
    (rf"models\.{MODEL}\..*", WITH_MODEL | {"fetch_model"}),
    (r"benchmarks\.elements\.seed", {"build_corpora", "build_questions", "build_probes"}),
    (r"benchmarks\.elements\.forget\.(domain|splits\..*)", {"build_corpora", "build_questions", "build_probes"}),
    (r"benchmarks\.elements\.neighbour\.domain", {"build_corpora", "build_questions"}),
    (r"benchmarks\.elements\.(forget|retain|neighbour|distractors|options|neighbour_minimum)\b.*", {"build_questions"}),
    (r"benchmarks\.elements\.corpora\.characteristic_ngrams", {"build_probes"}),
    (r"benchmarks\.elements\.corpora\.perplexity_tokens", {"evaluate"}),
    (r"benchmarks\.elements\.corpora\..*", {"build_corpora"}),
    (r"study\.results", EVERY),
    (r"study\.seeds", {"attack", "evaluate", "reference", "trajectory", "unlearn"}),
    (r"study\.probes", {"build_probes"}),
    # These probes are asked along a training.
    (r"trajectory\..*|analysis\.(baseline_probe|forget_token_probe)", {"trajectory"}),
    (r"gpu_environment|study\.name", set()),
]
# What no other value of its kind can take the place of, and why.
FIXED = {
    r"study\.(models|benchmarks|cells\..*)|batch_seeds": "says which jobs there are",
    r".*\.(kind|forget_loss)": "another kind takes other parameters",
}

# What has no other valid value alone: nulls and empty lists, and what goes with another key.
ALONE = [
    r"(analysis|study)\.\w+|.*\.without_subjects",
    r"attacks\.gcg.*\.parameters\.(layer|match|role)|attacks\.(logit-lens|orthogonalise)\.parameters\.layers",
    r"attacks\.few-shot-outside\.parameters\.relations",
    r"attacks\.relearn.*\.parameters\.(documents|epochs|steps|order|trained|rank)",
    r"methods\..*\.(decay|implementation|parallel\.sharded|retain_loss|topics)",
    r"benchmarks\.elements\.forget\.domain",
    r"defences\.rna\.parameters\.unit",
    r"probes\.(plain|options|letter|alias|multi-hop|swapped|swapped-kept|unasked)\.(insert|count)",
    r"scoring\.splits",
    r"attacks\..*\.search|searches\.\w+\.(attack|control|grid\..*\.trained)",
]


@pytest.fixture(scope="module")
def default():
    """The resolved default configuration, and what is compared of each of its jobs."""
    with reading_once():
        rules = Rules()
        yield rules.config, {job: rules.compared(job) for job in default_jobs()}


def changed_jobs(default, rules):
    """(rule, wildcards) of the jobs that run again of themselves."""
    now = {job: rules.compared(job) for job in default[1]}
    return [(job[0], dict(job[1])) for job, then in default[1].items() if now[job] not in (None, then)]


def concerned(config, path):
    """The computing rules that a key of one method, defence, attack or probe reaches."""
    (axis, name, *rest), tuning = path, config["tuning"]
    if axis == "probes":
        return {"build_probes"} if name in config["study"]["probes"] else set()
    trained = rest[1] if rest[0] == "per_method" else name if axis == "methods" else None
    grids = [
        grid for grid in config["study"]["cells"]
        if name in (part for entry in grid[axis] for part in entry.split(".")) and trained in (None, *grid["methods"])
    ]  # fmt: skip
    used, followed = bool(grids), any(grid.get("trajectory") for grid in grids)
    if axis == "attacks":
        tuned = name == tuning["attack"]["attack"]
        searched = name in (search["attack"] for search in config["searches"].values())
        return {rule for rule, reached in (("attack", used), ("search", searched), ("tune", tuned)) if reached}
    tuned = name in tuning["methods"]
    if axis == "defences":
        tuned = name == tuning["noise"]["defence"] and trained in (None, *tuning["noise"]["methods"])
    return {rule for rule, reached in (("unlearn", used), ("trajectory", followed), ("tune", tuned)) if reached}


def expected(config, path):
    """The computing rules that must run again of themselves."""
    key = ".".join(map(str, path))
    if WRITTEN_FOR_PEOPLE.fullmatch(key):
        return set()
    if path[0] in ("probes", "methods", "defences", "attacks"):
        return concerned(config, path)
    return next(rules for pattern, rules in RERUN if re.fullmatch(pattern, key))


def belongs(path, rule, wildcards):
    """Whether a computing job is of the one method, defence, attack or probe that a key belongs to."""
    axis, name = path[:2]
    searched = {"attacks": "attack", "defences": "noise"}
    if axis not in ("methods", "defences", "attacks"):
        return True
    if rule == "search" and axis == "attacks":
        return True
    if rule == "tune" and axis in searched:
        return wildcards["kind"] == searched[axis]
    return name in wildcards[axis.removesuffix("s")].split(".") or (axis == "methods" and wildcards["method"] == name)


SECTIONS = (
    "analysis", "attacks", "batch_seeds", "benchmarks", "defences", "gpu_environment", "methods", "models", "probes",
    "scoring", "searches", "study", "trajectory", "tuning",
)  # fmt: skip


def test_every_section_of_the_configuration_is_edited(default):
    assert {name for name, value in default[0].items() if value not in ({}, [])} == set(SECTIONS)


# Sections of hundreds of keys.
LARGE = {"attacks", "methods", "probes"}


@pytest.mark.parametrize("section", slow_but(set(SECTIONS) - LARGE, SECTIONS))
def test_a_change_reruns_what_reads_it_and_nothing_else(default, section):
    config, wrong, unchanged = default[0], {}, {}
    for path, value in leaves(config[section], (section,)):
        key = ".".join(map(str, path))
        if any(re.fullmatch(pattern, key) for pattern in FIXED):
            continue
        rules, reason = edited(config, path, value)
        if rules is None:
            unchanged[key] = reason
            continue
        changed = changed_jobs(default, rules)
        if WORDS.fullmatch(key) and (tables := {rule for rule, _ in changed} & set(TABLE_RULES)):
            wrong[key] = sorted(tables)
        jobs = [job for job in changed if job[0] not in SHOWN]
        if {rule for rule, _ in jobs} != expected(config, path):
            wrong[key] = (sorted({rule for rule, _ in jobs}), sorted(expected(config, path)))
        strangers = [job for job in jobs if not belongs(path, *job)]
        if strangers:
            wrong[key] = strangers
    assert not wrong
    assert not [key for key in unchanged if not any(re.fullmatch(pattern, key) for pattern in ALONE)], unchanged


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A tree in which Snakemake finds the default study finished: empty files, touched."""
    folder = tmp_path_factory.mktemp("finished")
    for path, is_folder in outputs_of(default_jobs()):
        inside = folder / path / "file" if is_folder else folder / path
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.touch()
    snakemake("--cores", "1", "--touch", "--forceall", folder=folder)
    assert planned(folder=folder) == {}
    return folder


@pytest.mark.parametrize(
    ("change", "computing"),
    [
        ({"study": {"title": "another"}}, {}),
        ({"probes": {"plain": {"label": "another"}}, "models": {MODEL: {"note": "another"}}}, {}),
        ({"methods": {"npo-kl": {"learning_rate": 5.0e-4}}}, {"unlearn": 2, "search": 2, "attack": 2, "evaluate": 2}),
        ({"attacks": {"relearn": {"parameters": {"tokens": 16}}}}, {"search": 7, "attack": 7}),
        ({"defences": {"gradient-noise": {"parameters": {"noise_scale": 2.0}}}},
         {"unlearn": 1, "search": 1, "attack": 1, "evaluate": 1}),
        ({"tuning": {"every": 10}}, {}),
    ],
)  # fmt: skip
def test_snakemake_itself_runs_the_same_again_with_what_depends_on_it(default, finished, tmp_path, change, computing):
    path = tmp_path / "overlay.yaml"
    path.write_text(yaml.safe_dump(change))
    jobs = planned(path, folder=finished)
    assert {rule: count for rule, count in jobs.items() if rule not in SHOWN} == computing
    (edit,) = [edit for edit, _ in leaves(change) if edit[0] != "models"]
    value = next(value for found, value in leaves(change) if found == edit)
    evaluated = [rule for rule, _ in changed_jobs(default, Rules(replaced(default[0], edit, value)))]
    assert {rule for rule in evaluated if rule != "tune"} - SHOWN <= computing.keys()
    assert all(evaluated.count(rule) == jobs[rule] for rule in ("unlearn",) if rule in evaluated)
