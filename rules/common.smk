"""The resolved study, wildcard constraints, and the wildcards-only parameters that provenance tracks."""

import os
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from unlearning_robustness.config import (
    ConfigError,
    defence_row,
    method_settings,
    resolve,
)
from unlearning_robustness.config.activation_caches import cache_id, cache_settings
from unlearning_robustness.config.cells import (
    attacked_cells,
    cells,
    in_order,
    measured_cells,
    retrain_of,
)
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.config.kinds import module_of
from unlearning_robustness.config.overlays import base_studies, with_command_line
from unlearning_robustness.workflow.writable import check_writable
from unlearning_robustness.runtime.code_digest import code_digest

try:
    BASE_STUDIES = base_studies(config, ROOT / "studies")
except ConfigError as error:
    raise SystemExit(f"configuration: {error}")

# Snakemake puts the study's own words over each of these, and these over config.yaml.
for path in BASE_STUDIES:

    configfile: str(path)


try:
    CONFIG = resolve(with_command_line(config, workflow.config_settings.config))
    for key in ("results", "reuse_results"):
        if key in CONFIG["study"]:
            check_writable(Path(CONFIG["study"][key]), f"study.{key}")
except ConfigError as error:
    raise SystemExit(f"configuration: {error}")

STUDY = CONFIG["study"]
TRAINED_METHODS = [
    name for name in in_order(STUDY, "methods") if name in CONFIG["methods"]
]
RESULTS = STUDY["results"]
# What takes a model to make; tables, figures and logs of what ran are the study's own.
TREE = STUDY.get("reuse_results", RESULTS)
MODELS = "resources/models/{model}"
MEMORISED = f"{TREE}/models/{{model}}"
FETCHED = [name for name, entry in CONFIG["models"].items() if "from" not in entry]
BENCHMARK = f"{TREE}/benchmarks/{{model}}/{{benchmark}}"
OPEN = f"{TREE}/open_questions/{{benchmark}}.parquet"
KIND = "{model}/{benchmark}/{method}/{defence}"
CELL = f"{KIND}/seed{{seed}}"
# One process serves every seed of a kind of cell; with `batch_seeds: false` (clusters) each seed is its own job.
JOB = KIND if CONFIG["batch_seeds"] else CELL
DELTA = f"{TREE}/cells/{CELL}"
RECORD = f"{TREE}/records/{CELL}/{{attack}}"
LOGS = f"{RESULTS}/logs"

# What a person said about the hub, for the jobs that download; every other job asks nothing of it.
os.environ.setdefault("HF_HUB_OFFLINE_ASKED", os.environ.get("HF_HUB_OFFLINE", "0"))
# Torch on one thread a job: two jobs side by side beat one job on two threads.
os.environ.update(
    OMP_WAIT_POLICY="PASSIVE",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    # Rounding weights needs none of torchao's kernels, and those of other builds would be named in every log.
    TORCHAO_FORCE_SKIP_LOADING_SO_FILES="1",
    # glibc gives freed memory back to the kernel at once, in small pages; keeping it, in huge ones, saves a fifth.
    MALLOC_MMAP_THRESHOLD_="4294967296",
    MALLOC_TRIM_THRESHOLD_="4294967296",
    MALLOC_TOP_PAD_="67108864",
    GLIBC_TUNABLES="glibc.malloc.hugetlb=1",
)

# Under `--sdm conda` rules that compute with a model take PyTorch's build with CUDA where a profile says so.
TRAINING = (
    "../envs/train-gpu.yaml" if CONFIG["gpu_environment"] else "../envs/train.yaml"
)


wildcard_constraints:
    model="|".join(CONFIG["models"]),
    benchmark="|".join(CONFIG["benchmarks"]),
    method="|".join(["reference", *CONFIG["methods"]]),
    defence="[a-z0-9][a-z0-9.-]*",
    attack="|".join(["none", *CONFIG["attacks"]]),
    seed=r"\d+",


# Keys of entries that only `make plan` reads: they change no job.
PLANNED_WITH = ("shape", "download_mb")


def entry(axis):
    """A wildcards-only parameter: the resolved entry that a wildcard names."""
    return lambda wildcards: {
        key: value
        for key, value in CONFIG[axis][wildcards[axis.removesuffix("s")]].items()
        if key not in PLANNED_WITH
    }


def folder_of(model):
    """Where a model lies: fetched ones are shared by all studies, made ones depend on this study's texts."""
    place = MEMORISED if "from" in CONFIG["models"][model] else MODELS
    return place.format(model=model)


def model_folder(wildcards):
    """The folder of the model that a wildcard names."""
    return folder_of(wildcards.model)


def origin(axis):
    """A wildcards-only parameter: where a model or data set comes from, without how it is computed with."""
    return lambda wildcards: {
        key: value
        for key, value in entry(axis)(wildcards).items()
        if key not in ("device", "dtype", "reader")
    }


def each_seed(pattern):
    """The paths of the seeds that one job serves."""
    served = {"seed": STUDY["seeds"]} if CONFIG["batch_seeds"] else {}
    return expand(pattern, **served, allow_missing=True)


def seeds_of_job(wildcards):
    """The seeds that one job serves."""
    return STUDY["seeds"] if CONFIG["batch_seeds"] else [int(wildcards.seed)]


def benchmark_part(*names):
    """Only what a rule needs of a benchmark's entry, so that a change of the rest does not rerun it."""
    return lambda wildcards: {
        name: CONFIG["benchmarks"][wildcards.benchmark][name]
        for name in names
        if name in CONFIG["benchmarks"][wildcards.benchmark]
    }


def published(kind):
    """A wildcards-only function: the sources that a benchmark's items, texts or open questions read, with the reader of
    each."""

    def readers(wildcards):
        benchmark = CONFIG["benchmarks"][wildcards.benchmark]
        places = benchmark.get(kind, {}).values()
        if kind == "items":
            roles = (benchmark[role] for role in ("forget", "retain", "neighbour"))
            places = [
                [*role.get("items", []), *role.get("shots", {}).get("items", [])]
                for role in roles
            ]
        named = {place.split("/")[0] for part in places for place in part}
        return {source: CONFIG["sources"][source]["reader"] for source in sorted(named)}

    return readers


def fetched(kind):
    """The folders of those sources."""
    return lambda wildcards: [
        f"resources/sources/{source}" for source in published(kind)(wildcards)
    ]


def method_of(wildcards):
    """The resolved entry of the method."""
    return method_settings(CONFIG, wildcards.method)


CACHES = {
    cache_id(settings): settings
    for settings in map(cache_settings, CONFIG["methods"].values())
}


def cache_of(wildcards):
    """The activation cache that a method trains from."""
    cache = cache_id(cache_settings(method_of(wildcards)))
    return f"{TREE}/activation_caches/{wildcards.model}/{wildcards.benchmark}/{cache}.safetensors"


def processes_of(wildcards):
    """How many processes train a cell together; each takes a GPU."""
    return method_of(wildcards)["parallel"]["processes"]


def row_of(wildcards):
    """The resolved entries of the defence's parts."""
    return defence_row(CONFIG, wildcards.defence, wildcards.method)


def unlearn_code(wildcards):
    """Digest of the code that trains this cell: the loop, its method and its defences, not the others."""
    settings = method_of(wildcards)
    parts = [
        module_of("methods.FORGET_LOSSES", settings["forget_loss"]),
        module_of("methods.RETAIN_LOSSES", settings["retain_loss"]),
        *(module_of("defences.DEFENCES", part["kind"]) for part in row_of(wildcards)),
    ]
    return code_digest("training.unlearning", *parts)


def attack_code(wildcards):
    """Digest of the code of this attack and of scoring."""
    kind = CONFIG["attacks"][wildcards.attack]["kind"]
    return code_digest("attacks.run_attack", module_of("attacks.ATTACKS", kind))


LANDSCAPE = CONFIG.get("landscape")
RELEARNING = CONFIG["attacks"][LANDSCAPE["attack"]] if LANDSCAPE else None


def landscape_code(wildcards):
    """Digest of the code of the landscape and of the attack that gives it its direction."""
    attack = [module_of("attacks.ATTACKS", RELEARNING["kind"])] if LANDSCAPE else []
    return code_digest("evaluation.landscape", *attack)


def memorisation_attack():
    """(id, resolved entry) of the attack after which memorisation is measured again, if any."""
    name = CONFIG.get("memorisation", {}).get("attack")
    return [name, CONFIG["attacks"][name]] if name else []


def memorisation_code():
    """Digest of the code of the study's protocol, and of its attack."""
    kinds = [attack["kind"] for attack in memorisation_attack()[1:]]
    attacks = [module_of("attacks.ATTACKS", kind) for kind in kinds]
    protocol = CONFIG.get("memorisation", {}).get("protocol")
    probe = "tofu_probe" if protocol == "tofu" else "memorisation"
    return code_digest(f"evaluation.{probe}", *attacks)


def asked_openly(wildcards):
    """What a benchmark's models are asked in words: published questions, or those about facts."""
    published = "open" in CONFIG["benchmarks"][wildcards.benchmark]
    place = OPEN if published else f"{BENCHMARK}/questions.parquet"
    return expand(place, **wildcards)[0]


def matched_delta(wildcards):
    """The deltas that a control is matched to (an early stop, weight noise): the other cell of each seed."""
    match = next(
        (
            part["parameters"]["match"]
            for part in row_of(wildcards)
            if "match" in part["parameters"]
        ),
        None,
    )
    if match is None:
        return []
    return expand(
        each_seed(f"{DELTA}/delta.safetensors"), **{**wildcards, "defence": match}
    )


def select_questions(wildcards):
    """Early stops are matched on the questions of the select split."""
    stops = any(part["kind"] == "early-stop" for part in row_of(wildcards))
    return expand(f"{BENCHMARK}/questions.parquet", **wildcards) if stops else []
