"""The study of an audit: models that were unlearned elsewhere, the model before, and one that never knew.

``python -m unlearning_robustness.workflow.audit --help``; `make audit` calls it and runs the study that it writes. How
models are attacked and asked stands in studies/audit.yaml; this says which ones, and what they are asked.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.config.kinds import ATTACKS, facts_of
from unlearning_robustness.config.layers import ATTACKED
from unlearning_robustness.config.overlays import inherit
from unlearning_robustness.config.root import ROOT
from unlearning_robustness.errors import ConfigError, StudyError
from unlearning_robustness.workflow.audited_models import depth_of, entry_of, ids_of, name_of, other_shape
from unlearning_robustness.workflow.study import merged

BEFORE, NEVER, PLACEHOLDER = "before", "never-knew", "unlearned"
ROLES = ("forget", "retain")


@dataclass(frozen=True)
class Request:
    """What is audited: folders, ``owner/name@revision`` of the hub, or ids of config.yaml.

    ``questions`` and ``texts`` are two files each, of what is to be forgotten and of what is to be kept; without them
    the facts of studies/audit.yaml are asked. ``beside`` are results folders of studies that ran before.
    """

    models: Sequence[str]
    reference: str
    never: str | None = None
    name: str | None = None
    questions: Sequence[str] = ()
    texts: Sequence[str] = ()
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class Asked:
    """What is asked: what a person calls each model, by its id; the entries of models; the reference's id."""

    said: dict[str, str]
    models: dict[str, dict]
    reference: str

    def model(self, id: str) -> str:
        """The id of the model behind a method: an id of config.yaml stands for itself."""
        return id if id in self.models else self.said[id]

    @property
    def whole(self) -> list[str]:
        """The methods whose tensors have other shapes than the reference's."""
        reference = self.models[self.reference]
        return [id for id in self.said if other_shape(self.models[self.model(id)], reference)]

    @property
    def labels(self) -> dict[str, str]:
        """What each method is called: as its folder or repository, unless two are called so."""
        names = {id: name_of(said) for id, said in self.said.items()} | {NEVER: "a model that never knew"}
        return {id: name if list(names.values()).count(name) == 1 else id for id, name in names.items()}


def audit_study(request: Request) -> dict:
    """The configuration of the audit, over the studies that it builds on. Raises StudyError, one line with the mend."""
    if not (request.models and request.reference):
        raise ConfigError("say which: make audit MODEL=unlearned-model REFERENCE=model-before-unlearning")
    name = request.name or ids_of(request.models[:1], ())[0]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ConfigError(f"NAME: {name!r} is no name; use small letters, digits and '-'")
    base = _base()
    known = {id: entry for id, entry in base["models"].items() if id != PLACEHOLDER}
    asked = _asked(request, base, known)
    whole, labels = asked.whole, asked.labels
    config = {
        "builds_on": base["builds_on"],
        "study": {
            "name": f"audit-{name}",
            "title": f"What is left in {', '.join(labels[id] for id in asked.said if id != NEVER)}?",
            "results": f"results/audit-{name}",
            "models": [asked.reference],
            "beside": list(request.beside),
            "cells": list(_cells(base, [id for id in asked.said if id not in whole], whole)),
        },
        "models": {PLACEHOLDER: None, **{id: entry for id, entry in asked.models.items() if id not in known}},
        "methods": {PLACEHOLDER: None},
    }
    for id in asked.said:
        checkpoint = {"label": labels[id], "checkpoint": asked.model(id)}
        config["methods"][id] = checkpoint | ({"whole": True} if id in whole else {})
    if request.never:
        config["analysis"] = {"yardstick": NEVER}
    if layers := _scaled(base, depth_of(asked.models[asked.reference])):
        config["attacks"] = layers
    own = bool(request.questions or request.texts)
    if own:
        config["study"]["benchmarks"] = ["own"]
        config["sources"] = _own(request)
    if search := _search(asked.reference == BEFORE, own):
        config["searches"] = {"relearning": search}
    return config


def _asked(request: Request, base: dict, known: dict[str, dict]) -> Asked:
    """The models of a request, which may be ``known`` ones of config.yaml."""
    reference = request.reference if request.reference in known else BEFORE
    ids = ids_of(request.models, (*known, *base["methods"], BEFORE, NEVER))
    said = dict(zip(ids, request.models, strict=True)) | ({NEVER: request.never} if request.never else {})
    models = known | {id: entry_of(model, known, reference) for id, model in said.items() if model not in known}
    if reference == BEFORE:
        models[BEFORE] = entry_of(request.reference, known, None)
    return Asked(said, models, reference)


def _base() -> dict:
    """What the audit is written over, with the files that it is read from, and with every `like` resolved."""
    above = ROOT / "studies" / "audit.yaml"
    names = [*yaml.safe_load(above.read_text())["builds_on"], above.stem]
    files = [ROOT / "config.yaml", *(ROOT / "studies" / f"{name}.yaml" for name in names)]
    return inherit(merged(files, {})) | {"builds_on": names}


def _cells(base: dict, alike: Sequence[str], whole: Sequence[str]) -> Iterator[dict]:
    """The grids of studies/audit.yaml with these models; those of other shapes meet no attack that compares layers."""
    for grid in base["study"]["cells"]:
        yield {**grid, "methods": [REFERENCE, *alike]}
        kinds = {name: base["attacks"][name] for name in grid["attacks"] if name != NONE}
        compared = [
            name
            for name, entry in kinds.items()
            if facts_of(ATTACKS, entry["kind"]).compares_with_reference({"match": None, **entry["parameters"]})
        ]
        if whole:
            yield {
                **grid,
                "methods": list(whole),
                "attacks": [name for name in grid["attacks"] if name not in compared],
            }


def _scaled(base: dict, depth: int | None) -> dict:
    """Attacks whose parameters name layers, with those at the same share of the audited model's depth.

    Nothing where the depth is that of the study's own model, or not known.
    """
    (own,) = base["study"]["models"]
    was = depth_of(base["models"][own])
    if depth in (None, was):
        return {}
    scaled = {}
    for attack in dict.fromkeys(name for grid in base["study"]["cells"] for name in grid["attacks"]):
        parameters = base["attacks"].get(attack, {}).get("parameters", {})
        named = {key: parameters[key] for key in ATTACKED if parameters.get(key) is not None}
        if named:
            scaled[attack] = {"parameters": {key: _at_depth(layers, was, depth) for key, layers in named.items()}}
    return scaled


def _at_depth(layers: int | list[int], was: int, depth: int) -> int | list[int]:
    if isinstance(layers, int):
        return round(layers * (depth - 1) / (was - 1))
    return sorted({_at_depth(layer, was, depth) for layer in layers})


def _search(unknown: bool, own: bool) -> dict:
    """What is searched otherwise: rates of small and of large models where the reference is ``unknown``.

    Texts of one's ``own`` do not say which question they answer, so that there is no teaching control.
    """
    preset = yaml.safe_load((ROOT / "studies" / "own.yaml").read_text())["searches"]["relearning"]
    keys = [*(["trials", "grid"] if unknown else []), *(["control"] if own else [])]
    return {key: preset[key] for key in keys}


def _own(request: Request) -> dict:
    """The sources of questions and texts of one's own, whose benchmark stands in studies/audit.yaml."""
    sources = {}
    for key, files in (("questions", request.questions), ("texts", request.texts)):
        if len(files) != len(ROLES):
            raise ConfigError(
                f"{key.upper()}: {len(files)} file(s); give two, of what is to be forgotten and of what is to be kept, "
                "as QUESTIONS and as TEXTS"
            )
        for role, file in zip(ROLES, (Path(file).expanduser() for file in files), strict=True):
            if not file.is_file():
                raise ConfigError(f"{key.upper()}: there is no file {file}; correct it")
            sources[f"{role}-{key}"] = {"path": str(file.resolve().parent), "files": {"all": file.name}}
    return sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what is audited."""
    parser.add_argument("--model", nargs="*", default=[], help="unlearned models")
    parser.add_argument("--reference", help="the model before unlearning")
    parser.add_argument("--never", help="a model that never knew what is forgotten")
    parser.add_argument("--name", help="the name of the audit; without it that of the first model")
    for key in ("questions", "texts"):
        parser.add_argument(
            f"--{key}", nargs="*", default=[], help=f"two files: {key} to be forgotten, {key} to be kept"
        )
    parser.add_argument("--beside", nargs="*", default=[], help="results folders of studies that ran before")


def write_study(said: argparse.Namespace) -> Path:
    """Write the file of the study that the options ask for. Raises StudyError for what cannot be audited."""
    given = (said.model, said.reference, said.never, said.name, said.questions, said.texts, said.beside)
    config = audit_study(Request(*given))
    path = Path(f"{config['study']['results']}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the study's file, print its path, and return the exit code: 2 for what cannot be audited."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__.splitlines()[0])
    add_arguments(parser)
    try:
        print(write_study(parser.parse_args(arguments)))
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
