"""A generated world of a few facts, whose models are pretrained in seconds."""

STUDY = {
    "builds_on": ["shared/claims-rna", "shared/claims-stableun", "shared/world", "world"],
    "study": {
        "name": "small-world",
        "title": "Small worlds (its numbers mean nothing)",
        "results": "results/small-world",
        "seeds": [0],
        "models": ["world-0"],
        "benchmarks": ["world-0"],
        "figures": ["accuracy"],
        "cells": [
            {"methods": ["reference", "retrain"], "defences": ["none"], "attacks": ["none", "relearn"]},
            {"methods": ["rmu"], "defences": ["rna"], "attacks": ["none"]},
            {"methods": ["rmu-never"], "defences": ["none"], "attacks": ["none"]},
        ],
    },
    "benchmarks": {
        "world-0": {
            "world": {
                "entities": {"forget": 16, "retain": 12, "neighbour": 8},
                "attributes": 3,
                "values": 4,
                "documents": 20,
                "mentions": 50,
                "stated": 2,
                "known": 0.85,
                "difference": 0.1,
                "floor": 0.5,
            },
            "corpora": {
                "forget_prose_documents": 60,
                "retain_documents": 60,
                "perplexity_documents": 4,
                "benign_documents": 20,
            },
        }
    },
    "models": {
        "world-0": {
            "generated": {
                "shape": {
                    "hidden_size": 64,
                    "intermediate_size": 128,
                    "num_attention_heads": 2,
                    "num_key_value_heads": 2,
                },
                "steps": 400,
                "learning_rate": 3.0e-3,
                "warm_up": 10,
                "beginning": {"steps": 0},
                "batch_size": 32,
            }
        }
    },
    "methods": {
        "rmu": {"steps": 4},
        "rmu-never": {
            "label": "RMU, never trained",
            "checkpoint": {"world-0": "world-0-retrained"},
            "after": {"method": "rmu"},
        },
    },
    "analysis": {"bootstrap_samples": 20, "examples": 1, "never_trained": [], "knowing": [], "unknowing": []},
}
