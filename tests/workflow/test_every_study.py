"""Every study in miniature, from its models and data to its last figure: what would die at its own scale dies here."""

import copy
import re
import zlib
from pathlib import Path

import pytest
import torch
import yaml
from families import family_folder
from in_process import run_study
from miniature import miniature, thinned_layers, tiny_folder
from quick import slow_but
from running import unchanged_process
from small_sources import write_sources

from studies import ROOT, STUDIES, load_study
from unlearning_robustness import config
from unlearning_robustness.config.cells import in_order
from unlearning_robustness.config.checkpoints import checkpoint_methods, checkpoint_of
from unlearning_robustness.data import known_facts
from unlearning_robustness.figures import style
from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.workflow.study import merged

# The family of each model that a study fetches.
FAMILIES = {
    "smollm2-135m-instruct": "llama tied", "qwen2.5-1.5b": "qwen2", "zephyr-7b-beta": "mistral window",
    "mistral-7b": "mistral window", "llama-3-8b": "llama", "llama-3-8b-instruct": "llama", "muse-news-target": "llama",
    "muse-news-retrained": "llama", "muse-books-target": "llama", "muse-books-retrained": "llama",
    "unlearned": "llama tied",
}  # fmt: skip
# As in Zephyr's and Mistral's config.json.
WINDOW = {"mistral window": {"sliding_window": 4096}}


@pytest.fixture(autouse=True)
def process(tmp_path, monkeypatch):
    """In an empty folder; what jobs set for their process ends with the study."""
    monkeypatch.chdir(tmp_path)
    deterministic = torch.are_deterministic_algorithms_enabled()
    with unchanged_process():
        yield
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture(autouse=True)
def few_facts(monkeypatch):
    """Of the facts of a domain one in twelve is asked, and the model is taken to know it."""
    asked = known_facts.build_questions

    def thinned(*arguments):
        return [question for question in asked(*arguments) if zlib.crc32(question.fact.encode()) % 12 == 0]

    monkeypatch.setattr(known_facts, "build_questions", thinned)
    monkeypatch.setattr(known_facts, "keep_known", lambda questions, correct: questions)


@pytest.fixture(autouse=True)
def too_short_for_effects(monkeypatch):
    """In two steps no control acts, which the configuration refuses at a study's own numbers."""
    monkeypatch.setattr(config, "check_effects", lambda resolved: None)


@pytest.fixture
def tokenizer(tiny_tokenizer):
    """With the tokens that the families' configurations name."""
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    return tokenizer


@pytest.fixture
def drawn_empty(monkeypatch):
    """Why figures of the study have nothing to show."""
    reasons, nothing = [], style.nothing
    monkeypatch.setattr(style, "nothing", lambda reason: reasons.append(reason) or nothing(reason))
    return reasons


def fetched_models(resolved: dict) -> list[str]:
    """The models that the study's own come from, and those that memorisation compares with."""
    named = [*resolved["study"]["models"], resolved.get("memorisation", {}).get("retrain", {}).get("model")]
    checkpoints, study = checkpoint_methods(resolved), resolved["study"]
    asked = [checkpoints[name] for name in in_order(study, "methods") if name in checkpoints]
    named += [checkpoint_of(method, model) for method in asked for model in study["models"]]
    entries = resolved["models"]
    fetched = [name for name in named if name and "generated" not in entries[name]]
    return list(dict.fromkeys(entries[name].get("from", name) for name in fetched))


def write_models(resolved: dict, tokenizer) -> dict[str, dict]:
    """A tiny model of the family of each fetched one; returns their shapes."""
    shapes = {}
    for name in fetched_models(resolved):
        family = FAMILIES[name]
        changes = {
            "num_hidden_layers": len(thinned_layers(resolved)),
            "max_position_embeddings": 2048,
            **WINDOW.get(family, {}),
        }
        folder = family_folder(family, tiny_folder(name, resolved["models"][name]), tokenizer, **changes)
        sizes = read_json(folder / "config.json")
        shapes[name] = {key: sizes[key] for key in resolved["models"][name].get("shape", ())}
    return shapes


DEFAULT = "default"
STUDIES_HERE = [path.stem for path in STUDIES.glob("*.yaml")]
# Slow ones first, so that a processor is not left with one of them at the end.
SLOW = ["rna-paper", "stableun-paper", "rna", "stableun", "matrix"]
SEVERAL_PLACES = ["rna-paper", "stableun-paper", "world", "world-variation"]
CASES = [(name, False) for name in (*SLOW, DEFAULT, *sorted(set(STUDIES_HERE) - set(SLOW)))]
CASES += [(name, True) for name in SEVERAL_PLACES]


@pytest.mark.parametrize(
    ("name", "everywhere"),
    slow_but([("ci", False)], CASES),
    ids=[f"{name}-everywhere" if everywhere else name for name, everywhere in CASES],
)
def test_a_study_runs_to_its_last_figure(name, everywhere, tokenizer, drawn_empty):
    resolved = config.resolve(merged([ROOT / "config.yaml"], {}) if name == DEFAULT else load_study(name))
    asked = [resolved["benchmarks"][benchmark] for benchmark in resolved["study"]["benchmarks"]]
    named = {part.split("/")[0] for part in re.findall(r"'([\w-]+/[\w-]+)'", str(asked))}
    sources = write_sources({name: resolved["sources"][name] for name in named}, Path("data"))
    shapes = write_models(resolved, tokenizer)
    Path("study.yaml").write_text(yaml.safe_dump(miniature(resolved, shapes, sources, everywhere)))
    jobs = run_study(Path("study.yaml"), lambda study: study.report.files)
    assert {job.wildcards.model for job in jobs if job.rule == "evaluate"} == set(
        resolved["study"]["models"][: None if everywhere else 1]
    )
    # With few kinds of cells not every figure has something to compare.
    assert everywhere or drawn_empty == []


def test_every_study_with_several_models_or_benchmarks_also_runs_on_all_of_them():
    studies = {name: load_study(name)["study"] for name in STUDIES_HERE}
    several = [name for name, study in studies.items() if len(study["models"]) * len(study["benchmarks"]) > 1]
    assert sorted(several) == SEVERAL_PLACES
