"""Unlearn, attack and ask a model from Python: the workflow's own code, without the workflow.

Settings are those of config.yaml and studies/own.yaml, scaled to the model; what a call states goes over them and is
checked as a study is. Every error that a person can mend is a ``StudyError`` of one line. docs/python.md has examples.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas
import torch
from snakemake.utils import update_config

from unlearning_robustness.attacks.run_attack import attack_cell
from unlearning_robustness.config import defence_row, resolve
from unlearning_robustness.config.activation_caches import cache_settings
from unlearning_robustness.config.cells import NONE, REFERENCE, Cell
from unlearning_robustness.config.overlays import inherit
from unlearning_robustness.config.root import ROOT
from unlearning_robustness.data import own
from unlearning_robustness.data.corpora import REFUSALS
from unlearning_robustness.data.model_folder import write_folder
from unlearning_robustness.data.model_sources import fetch
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch as fetch_source
from unlearning_robustness.defences.row import matched_control
from unlearning_robustness.engine.activation_cache import cache_corpora
from unlearning_robustness.errors import ConfigError, DataError
from unlearning_robustness.models.delta import applied
from unlearning_robustness.models.float32_weights import scored_in
from unlearning_robustness.models.loading import load_model, load_tokenizer
from unlearning_robustness.runtime.manifest import MANIFEST
from unlearning_robustness.scoring.decision import RULES, SUM
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import label
from unlearning_robustness.training.unlearning import Unlearned
from unlearning_robustness.training.unlearning import unlearn as train
from unlearning_robustness.workflow.audited_models import located, name_of
from unlearning_robustness.workflow.study import merged

BENCHMARK = "own"
# How messages name what is read from a file.
PART = "given/file"
Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Loaded:
    """A frozen causal model of transformers and its tokenizer; ``name`` is that of its folder or repository."""

    model: torch.nn.Module
    tokenizer: object
    name: str = "model"


def load(said: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Loaded:
    """The model of a Hugging Face folder, sharded or not, in any number type: safetensors alone, no remote code.

    ``said`` is the folder, or ``owner/name`` or ``owner/name@revision`` of the hub, which is downloaded at each call
    (HF_TOKEN and HF_ENDPOINT count). Raises ConfigError for what is neither, FetchError or ModelFileError when the
    model cannot be had or is not sound.
    """
    with tempfile.TemporaryDirectory() as scratch:
        checked = Path(said).expanduser().resolve()
        if not (checked / MANIFEST).is_file():
            if not (where := located(str(said))):
                raise ConfigError(f"{str(said)!r} is no folder and no owner/name of the hub; correct it")
            checked = Path(scratch) / "model"
            fetch(where[0], checked, Path(scratch) / "fetched")
        model, _ = load_model(checked, device, dtype)
        return Loaded(model, load_tokenizer(checked), name_of(str(said)))


def questions(rows: Iterable[Mapping], role: str = "forget", decided_by: str = SUM) -> pandas.DataFrame:
    """A table of Q questions, one a row.

    Each of ``rows`` has ``prompt``, C ≥ 2 ``choices`` that continue it behind a space, and ``answer``, the index of the
    right one; it may have ``entity``. ``decided_by`` is the rule that compares choices: sum, token-mean or byte-mean.
    Raises DataError naming the first row that is none.
    """
    if decided_by not in RULES:
        raise ConfigError(f"decided_by: no {decided_by!r}; there are: {', '.join(RULES)}")
    table = []
    for number, row in enumerate(rows):
        choices = list(row.get("choices", ()))
        if not row.get("prompt") or len(choices) < 2 or row.get("answer") not in range(len(choices)):
            raise DataError(f"question {number + 1}: give prompt, two choices or more, and answer, an index from 0")
        table.append({
            "question": f"{role}/{number}", "fact": f"{role}/{number}", "entity": row.get("entity", str(number)),
            "relation": BENCHMARK, "role": role, "split": "test", "template": 0, "prompt": row["prompt"],
            "choices": choices, "answer": int(row["answer"]), "decided_by": decided_by,
        })  # fmt: skip
    if not table:
        raise DataError("there are no questions: give one or more")
    return pandas.DataFrame(table)


def read_questions(file: str | Path, role: str = "forget", distractors: int = 3) -> pandas.DataFrame:
    """The questions of a file as docs/own-data.md describes it; each is answered by a choice's text.

    Open questions get ``distractors`` wrong answers, drawn from the file. Raises DataError naming line and mend.
    """
    with _published(file) as published:
        offered = own.offers_choices(published.table(PART)[2])
        entry = {"items": [PART], "asked_by": "answers", "without_subjects": [], "splits": {"test": 1}}
        rows = published.questions(entry, role, "0", None if offered else distractors)
    return pandas.DataFrame([{**vars(row), "choices": list(row.choices)} for row in rows])


def read_texts(file: str | Path) -> list[str]:
    """The texts of a file as docs/own-data.md describes it. Raises DataError naming line and mend."""
    with _published(file) as published:
        return list(published.documents([PART], BENCHMARK, 1)["text"])


@contextmanager
def _published(file: str | Path) -> Iterator[Published]:
    """Inside the block ``PART`` is the table of a file."""
    file = Path(file).expanduser().resolve()
    if not file.is_file():
        raise DataError(f"there is no file {file}; correct it")
    source, part = PART.split("/")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / source
        fetch_source({"path": str(file.parent), "files": {part: file.name}}, folder, Path(scratch) / "fetched")
        yield Published({source: BENCHMARK}, [str(folder)])


def unlearn(
    loaded: Loaded,
    forget: Sequence[str],
    retain: Sequence[str],
    method: str = "adaptive-rmu",
    defence: str = NONE,
    seed: int = 0,
    **changes,
) -> Unlearned:
    """Make the model forget F texts while it keeps R others; ``loaded`` itself stays as it is, bit for bit.

    ``method`` and ``defence`` are ids of config.yaml or studies/own.yaml; ``changes`` are keys of the method, such as
    ``steps=20``. Of the result, ``tensors`` are the trained tensors by name, in the shapes of the model's;
    ``history`` has a mapping for each step, ``facts`` what was measured on the way.
    Raises ConfigError where they do not go together or are matched to another cell, TrainingError where it diverges.
    """
    config = _configuration(loaded, method, defence, methods={method: changes})
    row, entry = defence_row(config, defence, method), config["methods"][method]
    if matched_control(row):
        raise ConfigError(f"defence {defence}: it is matched to another cell, and here is one alone; give another")
    size = entry["batch_size"]
    for role, texts in (("forget", forget), ("retain", retain)):
        if len(texts) < size:
            raise DataError(f"{role}: {len(texts)} texts, a batch takes {size}; give more, or lower batch_size")
    corpora = _corpora({"forget": forget, "retain": retain, "refusal": REFUSALS})
    caches = cache_corpora(loaded.model, loaded.tokenizer, corpora, cache_settings(entry))
    with tempfile.TemporaryDirectory() as scratch:
        return train(loaded.model, entry, row, caches, seed, Path(scratch) / "training.safetensors")


def ask(loaded: Loaded, asked: pandas.DataFrame, tensors: Tensors | None = None) -> pandas.DataFrame:
    """Records (docs/records.md), one a row of a table of questions, of the model with these tensors in it."""
    config = _configuration(loaded)
    scorer = QuestionScorer(loaded.tokenizer, asked.assign(probe="plain"), config["scoring"]["batch_size"])
    with applied(loaded.model, dict(tensors or {})), scored_in(loaded.model, config["scoring"]["precision"]):
        return label(scorer.records(loaded.model), _cell(loaded, tensors, 0), NONE)


def attack(
    loaded: Loaded,
    asked: pandas.DataFrame,
    texts: Sequence[str] = (),
    tensors: Tensors | None = None,
    attack: str = "relearn",
    seed: int = 0,
    **parameters,
) -> pandas.DataFrame:
    """Records at every point of the budget of an attack on the model with these tensors in it.

    ``texts`` are what an attacker trains on, all of them unless ``documents`` says how many; the questions should be
    about something else, or they are taught. ``parameters`` are those of the attack (docs/configuration.md), such as
    ``steps=[5, 15]``; nothing is searched. Raises ConfigError or DataError where an attack lacks what it needs.
    """
    if texts:
        parameters = {"documents": [len(texts)], **parameters}
    config = _configuration(loaded, attack=attack, attacks={attack: {"parameters": parameters, "search": NONE}})
    entry = {**config["attacks"][attack], "roles": sorted(set(asked["role"]))}
    scoring, model = config["scoring"], loaded.model
    with applied(model, dict(tensors or {})) as before:
        parts, _ = attack_cell(
            model, loaded.tokenizer, _cell(loaded, tensors, seed), attack, entry, asked, _corpora({"relearn": texts}),
            scoring["batch_size"], partial(applied, model, before), tuple(set(asked["split"])), scoring["precision"],
        )  # fmt: skip
    return pandas.concat(parts, ignore_index=True)


def save(loaded: Loaded, folder: str | Path, tensors: Tensors | None = None) -> None:
    """Write the model with these tensors in it as a Hugging Face folder, in the number type that it was loaded in."""
    if Path(folder).exists():
        raise DataError(f"{folder} is there already; give another folder")
    with applied(loaded.model, dict(tensors or {})):
        write_folder(loaded.model, loaded.tokenizer, Path(folder), {"parent": loaded.name})
    loaded.model.config.use_cache = False


def _configuration(
    loaded: Loaded, method: str = REFERENCE, defence: str = NONE, attack: str = NONE, **over: Mapping
) -> dict:
    """The resolved configuration of a study of this model and one cell, with ``over`` stated over the files."""
    depth, name = loaded.model.config.num_hidden_layers, "loaded"
    cell = {"methods": [method], "defences": [defence], "attacks": list(dict.fromkeys([NONE, attack]))}
    stated = {
        "study": {"models": [name], "seeds": [0], "figures": ["accuracy"], "cells": [cell]},
        "models": {name: {"path": ".", "license": BENCHMARK, "note": "a loaded model"}},
        **over,
    }
    files = [ROOT / "config.yaml", ROOT / "studies" / f"{BENCHMARK}.yaml"]
    # What is stated of an entry is of that one alone, not of those that are like it.
    known = inherit(merged(files, {}))
    for axis, id in (("methods", method), ("attacks", attack)):
        if id not in (REFERENCE, NONE, *known[axis]):
            raise ConfigError(f"{axis}: no {id!r}; there are: {', '.join(known[axis])}")
    update_config(known, stated)
    return resolve(known, lambda _: {name: depth})


def _cell(loaded: Loaded, tensors: Tensors | None, seed: int) -> Cell:
    return Cell(loaded.name, BENCHMARK, "unlearned" if tensors else REFERENCE, NONE, seed)


def _corpora(texts: Mapping[str, Sequence[str]]) -> pandas.DataFrame:
    rows = [(corpus, "article", text, 0) for corpus, some in texts.items() for text in some]
    return pandas.DataFrame(rows, columns=["corpus", "kind", "text", "topic"])
