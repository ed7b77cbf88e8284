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
from unlearning_robustness.errors import ConfigError, StudyError
from unlearning_robustness.workflow.audited_models import depth_of, entry_of, ids_of, name_of, other_shape
from unlearning_robustness.workflow.study import merged

ROOT = Path(__file__).parents[3]
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


def audit_study(request: Request) -> dict:
    """The configuration of the audit, over the studies that it builds on. Raises StudyError, one line with the mend."""
    if not (request.models and request.reference):
        raise ConfigError("say which: make audit MODEL=unlearned-model REFERENCE=model-before-unlearning")
    base = _base()
    known = {id: entry for id, entry in base["models"].items() if id != PLACEHOLDER}
    name = request.name or ids_of(request.models[:1], ())[0]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ConfigError(f"NAME: {name!r} is no name; use small letters, digits and '-'")
    reference = request.reference if request.reference in known else BEFORE
    taken = (*known, *base["methods"], BEFORE, NEVER)
    audited = dict(zip(ids_of(request.models, taken), request.models, strict=True))
    asked = audited | ({NEVER: request.never} if request.never else {})
    models = {id: entry_of(said, known, reference) for id, said in asked.items() if said not in known}
    if reference == BEFORE:
        models[BEFORE] = entry_of(request.reference, known, None)
    labels = {id: name_of(said) for id, said in audited.items()}
    labels = {id: label if list(labels.values()).count(label) == 1 else id for id, label in labels.items()}
    labels[NEVER] = "a model that never knew"
    entries = {**known, **models}
    shape = entries[reference]
    whole = [id for id, said in asked.items() if other_shape(entries[said if said in known else id], shape)]
    config = {
        "builds_on": base["builds_on"],
        "study": {
            "name": f"audit-{name}",
            "title": f"What is left in {', '.join(labels[id] for id in audited)}?",
            "results": f"results/audit-{name}",
            "models": [reference],
            "beside": list(request.beside),
            "cells": list(_cells(base, [id for id in asked if id not in whole], whole)),
        },
        "models": {PLACEHOLDER: None, **models},
        "methods": {
            PLACEHOLDER: None,
            **{
                id: {"label": labels[id], "checkpoint": said if said in known else id}
                | ({"whole": True} if id in whole else {})
                for id, said in asked.items()
            },
        },
    }
    if request.never:
        config["analysis"] = {"yardstick": NEVER}
    if layers := _scaled(base, depth_of(shape)):
        config["attacks"] = layers
    if request.questions or request.texts:
        config["study"]["benchmarks"] = ["own"]
        config["sources"] = _own(request)
    return config


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the study's file, print its path, and return the exit code: 2 for what cannot be audited."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="*", default=[], help="unlearned models")
    parser.add_argument("--reference", help="the model before unlearning")
    parser.add_argument("--never", help="a model that never knew what is forgotten")
    parser.add_argument("--name", help="the name of the audit; without it that of the first model")
    for key in ("questions", "texts"):
        parser.add_argument(
            f"--{key}", nargs="*", default=[], help=f"two files: {key} to be forgotten, {key} to be kept"
        )
    parser.add_argument("--beside", nargs="*", default=[], help="results folders of studies that ran before")
    said = parser.parse_args(arguments)
    given = (said.model, said.reference, said.never, said.name, said.questions, said.texts, said.beside)
    try:
        config = audit_study(Request(*given))
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    path = Path(f"{config['study']['results']}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
