"""A study of a tiny random model: every stage of the workflow in seconds, without a download."""

from pathlib import Path

import yaml

MODEL = "tiny"
PLACE = f"{MODEL}/elements"
RESULTS = Path("results") / "tiny"
STUDY = {
    "study": {
        "name": "tiny",
        "title": "A random model, to try the workflow (its numbers mean nothing)",
        "results": str(RESULTS),
        "seeds": [0, 1],
        "models": [MODEL],
        "probes": ["plain", "forget-token", "neutral-token"],
        "figures": ["accuracy"],
        "cells": [
            {"methods": ["reference"], "defences": ["none"], "attacks": ["none", "relearn"]},
            {"methods": ["rmu"], "defences": ["none"], "attacks": ["none"]},
        ],
    },
    "models": {MODEL: {"like": "smollm2-135m-instruct"}},
    "benchmarks": {
        "elements": {
            "neighbour_minimum": 1000,
            "corpora": {"forget_prose_documents": 4, "retain_documents": 12, "perplexity_documents": 2},
        }
    },
    "methods": {"rmu": {"layers": [1], "read_layer": 1, "steps": 4}},
    "attacks": {"relearn": {"parameters": {"documents": [4], "steps": [1, 2]}}},
    "searches": {"relearning": {"trials": 2, "steps": [2]}},
    "analysis": {"bootstrap_samples": 20, "early_steps": 2, "examples": 1},
}


def write_study(folder: Path, model, tokenizer, study: dict = STUDY) -> Path:
    """Put the model where the workflow looks for it below ``folder``, and write the study's file there."""
    from unlearning_robustness.data.model_folder import write_manifest

    place = folder / "resources" / "models" / MODEL
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    write_manifest(place, {})
    return write_overlay(folder, "tiny", **study)


def write_overlay(folder: Path, name: str, **change) -> Path:
    """A configuration file of its own."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(change))
    return path
