import ast
import re
import shutil
from itertools import product

import pytest
import yaml
from quick import slow_but
from running import PLACE, ROOT, TABLE_RULES, counted, planned, snakemake

from studies import STUDIES, load_study

RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
BLOCKS = {name: text for name, text in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", RULES, re.M)}

# The papers at their own scale, with what is counted here by hand.
PAPERS = {
    # 19 rows and RMU of 150 steps under 9 attacks, of 3 models and 3 seeds.
    "rna-paper": {"attack": 20 * 9 * 3 * 3, "build_questions": 3, "fetch_source": 5},
    "stableun-paper": {"build_questions": 4, "fetch_source": 5},
}
WITH_GPU = {name for name, text in BLOCKS.items() if "        gpu=" in text}


def overlay(folder, **change):
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(change))
    return path


def test_the_default_study_has_the_cells_its_grids_say(tmp_path):
    jobs = planned(folder=tmp_path)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())["study"]
    trained = {(m, d) for grid in config["cells"] for m in grid["methods"] for d in grid["defences"]} - {
        ("reference", "none")
    }
    attacked = {
        (m, d, a)
        for grid in config["cells"]
        for m in grid["methods"]
        for d in grid["defences"]
        for a in grid["attacks"]
        if a != "none"
    }
    assert jobs["unlearn"] == len(trained)
    assert jobs["attack"] == len(attacked)
    assert jobs["evaluate"] == len(trained) + 1
    apart = planned(overlay(tmp_path, batch_seeds=False), folder=tmp_path)
    assert apart["unlearn"] == len(config["seeds"]) * len(trained)
    assert apart["evaluate"] == len(config["seeds"]) * len(trained) + 1
    assert [apart[rule] for rule in TABLE_RULES] == [jobs[rule] for rule in TABLE_RULES] == [1] * len(TABLE_RULES)
    assert jobs["figure"] == len(config["figures"])


PLANNED = sorted({path.stem for path in STUDIES.glob("*.yaml")} - set(PAPERS))
# One that builds on others, and one that reads published data.
QUICK = ("matrix", "wmdp-smoke")


@pytest.mark.parametrize("study", slow_but(QUICK, PLANNED))
def test_every_study_can_be_planned(study, tmp_path):
    jobs = planned(STUDIES / f"{study}.yaml", folder=tmp_path)
    assert jobs.keys() & {"unlearn", "take_checkpoint"}


def test_a_study_of_published_data_fetches_each_source_once_and_stops_without_its_pin(tmp_path):
    path = STUDIES / "wmdp-smoke.yaml"
    told = snakemake("--dry-run", "--configfile", path, folder=tmp_path)
    jobs = counted(told)
    assert jobs["fetch_source"] == len(yaml.safe_load((STUDIES / "shared" / "wmdp.yaml").read_text())["sources"])
    assert jobs["fetch_model"] == jobs["build_questions"] == jobs["build_corpora"] == jobs["unlearn"] == 1
    # 4 GB for a small model, three times the 14.5 GB of this one, and the activations of 1,200 texts before and behind
    # the trained layers: once where they are read, twice where they are made.
    cache = 2 * 1200 * 512 * 4096 * 2 / 1e6
    for rule, times in {"unlearn": 1, "cache_activations": 2, "evaluate": 0}.items():
        kind = rf"^rule {rule}:\n(?:    .*\n)*?    resources: .*mem_mb=(\d+)"
        asked = {int(number) for number in re.findall(kind, told.stdout + told.stderr, re.M)}
        assert list(asked) == [pytest.approx(4000 + 3 * 14483 + times * cache, abs=3)], rule
    unpinned = overlay(tmp_path, sources={"wmdp-bio-texts": {"hub": {"revision": "a-commit-of-this-repository"}}})
    result = snakemake("--dry-run", "--configfile", path, unpinned, folder=tmp_path, check=False)
    said = [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("configuration:")]
    assert result.returncode != 0
    assert len(said) == 1
    assert "sources.wmdp-bio-texts.hub.revision" in said[0]
    assert "https://huggingface.co/datasets/cais/wmdp-bio-forget-corpus/commits/main" in said[0]


@pytest.mark.slow
@pytest.mark.parametrize(("study", "rules"), PAPERS.items())
def test_a_paper_at_its_own_scale_has_the_jobs_that_its_grids_say(study, rules, tmp_path):
    """One job a seed of each (cell, attack); the reference is scored once, and without an attack on one seed."""
    jobs, config = planned(STUDIES / f"{study}.yaml", folder=tmp_path), load_study(study)["study"]
    grids = [
        (model, benchmark, method, defence, attack)
        for grid in config["cells"]
        for model, benchmark, method, defence, attack in product(
            config["models"], config["benchmarks"], grid["methods"], grid["defences"], grid["attacks"]
        )
    ]
    pairs, places = set(grids), len(config["models"]) * len(config["benchmarks"])
    trained, seeds = {pair[:4] for pair in pairs if pair[2] != "reference"}, len(config["seeds"])
    assert jobs["unlearn"] == seeds * len(trained)
    assert jobs["evaluate"] == seeds * len(trained) + places
    assert jobs["attack"] == seeds * len([pair for pair in pairs if pair[4] != "none"])
    assert jobs["fetch_model"] == len(config["models"]) and all(jobs[rule] == 1 for rule in TABLE_RULES)
    assert jobs["page"] == 5 * places
    assert {rule: jobs[rule] for rule in rules} == rules
    assert sum(jobs.values()) > 3000


def test_a_study_has_a_cost_before_a_model_is_here(tmp_path):
    snakemake("--cores", "1", "--configfile", ROOT / "studies" / "rna.yaml", "--", "plan", folder=tmp_path)
    told = (tmp_path / "results" / "rna" / "logs" / "plan.log").read_text()
    assert re.search(r"^unlearn +30 ", told, re.M)
    assert "134 million parameters, 0.27 GB on disk, is downloaded (93 MB), licence Apache-2.0" in told
    assert not (tmp_path / "resources").exists()


@pytest.mark.parametrize("profile", sorted(path.name for path in (ROOT / "profiles").iterdir()))
def test_every_profile_is_understood(profile, tmp_path):
    if profile == "kubernetes":
        pytest.importorskip("snakemake_executor_plugin_kubernetes", reason="its plugin is in the image only")
        pytest.importorskip("snakemake_storage_plugin_fs", reason="its plugin is in the image only")
    snakemake("--dry-run", "--workflow-profile", ROOT / "profiles" / profile, folder=tmp_path)


def test_every_rule_with_a_gpu_grows_with_its_attempts_and_takes_the_training_environment():
    assert len(WITH_GPU) > 5
    for name in WITH_GPU:
        for line in ("mem_mb=growing(", "runtime=growing(", "conda:\n        TRAINING\n"):
            assert line in BLOCKS[name], f"{name} has no {line}"


def test_the_dialect_of_the_cluster_page_reaches_every_rule_with_a_gpu(tmp_path):
    (dialect,) = re.findall(r'```yaml title="gres"\n(.*?)```', (ROOT / "docs" / "cluster.md").read_text(), re.S)
    assert set(yaml.safe_load(dialect)["__variables__"]["gpu_rules"].split()) == WITH_GPU
    shutil.copytree(ROOT / "profiles" / "slurm", tmp_path / "slurm")
    with open(tmp_path / "slurm" / "profile.yaml", "a") as profile:
        profile.write(dialect)
    result = snakemake("--dry-run", "--workflow-profile", tmp_path / "slurm", folder=tmp_path)
    asked = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)", result.stdout + result.stderr, re.M)
    assert {"unlearn", "build_probes"} <= {name for name, _ in asked}
    for name, resources in asked:
        assert ("gpu=0" in resources and "gres=gpu:a100:1" in resources) == (name in WITH_GPU), name


def test_an_attack_on_a_larger_model_asks_for_more_memory(tmp_path):
    shape = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "num_attention_heads": 32}
    large = {"smollm2-135m-instruct": {"shape": {**shape, "num_key_value_heads": 8, "tie_word_embeddings": False}}}
    asked = {}
    for name, models in (("laptop", {}), ("large", large)):
        (folder := tmp_path / name).mkdir()
        result = snakemake("--dry-run", "--configfile", overlay(folder, models=models), folder=folder)
        blocks = re.findall(r"^rule attack:\n(?:    .*\n)*?    resources: .*mem_mb=(\d+)", result.stdout, re.M)
        asked[name] = set(map(int, blocks))
    # The weights, and of every down-projection the original, a master, gradients and two moments; half as much again.
    down = 32 * 4096 * 14336 * (2 + 4 + 2 + 4 + 8)
    assert asked["laptop"] == {4000}
    assert list(asked["large"]) == [pytest.approx(1.5 * (14.5e9 + down) / 1e6, rel=0.05)]


def test_a_method_of_several_processes_asks_for_as_many_gpus_and_threads_in_every_dialect(tmp_path):
    change = overlay(tmp_path, methods={"rmu": {"parallel": {"processes": 3}}})
    results = yaml.safe_load((ROOT / "config.yaml").read_text())["study"]["results"]
    target = f"{results}/cells/{PLACE}/rmu/none/seed0/delta.safetensors"
    page = (ROOT / "docs" / "cluster.md").read_text()
    (said,) = re.findall(r"write `(unlearn: .*?gpu:a100:4.*?)`", page)
    (dialect,) = re.findall(r'```yaml title="gres"\n(.*?)```', page, re.S)
    shutil.copytree(ROOT / "profiles" / "slurm", tmp_path / "slurm")
    with open(tmp_path / "slurm" / "profile.yaml", "a") as profile:
        profile.write(dialect.replace(" unlearn ", " ") + f"  {said}\n")
    asked = {
        ("--cores", 4): ("gpu=3", "threads: 3"),
        ("--workflow-profile", tmp_path / "slurm"): ("gpu=0", "gpu:a100:4"),
    }
    for options, expected in asked.items():
        result = snakemake("--dry-run", *options, "--configfile", change, "--", target, folder=tmp_path)
        (block,) = re.findall(r"^rule unlearn:\n((?:    .*\n)*)", result.stdout + result.stderr, re.M)
        assert all(part in block for part in expected), block


def test_every_rule_has_a_log_an_environment_and_resources():
    for name, text in BLOCKS.items():
        for directive in ("log:", "conda:", "resources:", "mem_mb=", "runtime="):
            assert directive in text, f"{name} has no {directive}"
        assert "retries:" not in text, f"{name}: retries belong in a profile"


def test_parameters_are_functions_of_wildcards_alone():
    for arguments in re.findall(r"lambda ([^:]*):", RULES):
        assert arguments == "wildcards"


def test_entry_scripts_are_thin_and_each_belongs_to_a_rule():
    scripts = {path.stem: path.read_text() for path in (ROOT / "workflow_scripts").glob("*.py")}
    assert "from unlearning_robustness.runtime.job import job" in scripts.pop("entry")
    named = set(re.findall(r"workflow_scripts/(\w+)\.py", RULES))
    assert named == set(scripts)
    for name, text in scripts.items():
        assert len(text.splitlines()) <= 40, name
        assert not [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)], name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": {"rmu": {"learning_rate": "fast"}}}, "methods.rmu.learning_rate: must be a number"),
        ({"methods": {"rmu": {"lr": 1}}}, "methods.rmu: unknown key 'lr'"),
        ({"study": {"probes": ["nowhere"]}}, "study.probes: 'nowhere' is not defined"),
        ({"study": {"results": "/proc/no/such/place"}}, "study.results: cannot write"),
    ],
)
def test_a_wrong_configuration_stops_before_any_job_with_one_line(change, said, tmp_path):
    result = snakemake("--cores", "1", "--configfile", overlay(tmp_path, **change), folder=tmp_path, check=False)
    printed = result.stdout + result.stderr
    assert result.returncode != 0
    assert len([line for line in printed.splitlines() if said in line]) == 1
    assert "Traceback" not in printed
    assert not (tmp_path / "results").exists()


def test_a_number_with_an_exponent_but_no_point_is_explained(tmp_path):
    path = tmp_path / "overlay.yaml"
    path.write_text("methods: {rmu: {learning_rate: 1e-5}}\n")
    result = snakemake("--cores", "1", "--configfile", path, folder=tmp_path, check=False)
    assert "in YAML write 1.0e-5, with a point" in result.stdout + result.stderr


def test_a_target_that_names_no_cell_is_refused(tmp_path):
    result = snakemake("--dry-run", "--", "results/cells/a/b/c/d/seed0/delta.safetensors", folder=tmp_path, check=False)
    assert result.returncode != 0
