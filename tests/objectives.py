"""Every unlearning objective with parameters that suit tiny models."""

PARAMETERS = {
    "rmu": {"coefficient": 6.0, "steering": "uniform"},
    "rsv": {"coefficient": 6.0, "steering": "gaussian"},
    "adaptive-rmu": {"scale": 3.0, "steering": "uniform"},
    "rab": {"coefficient": 2.0, "steering": "gaussian"},
    "gradient-ascent": {"normalisation": "token-mean"},
    "npo": {"beta": 0.5, "normalisation": "token-mean"},
    "simnpo": {"beta": 0.5, "margin": 0.0, "normalisation": "token-mean"},
    "dpo": {"beta": 0.5, "implementation": "corrected", "normalisation": "token-mean"},
}
REPRESENTATION = ("rmu", "adaptive-rmu", "rsv", "rab")
PREFERENCE = ("npo", "simnpo", "dpo", "gradient-ascent")
# The papers' objectives, and RAb.
OBJECTIVES = [(name, "activation") for name in REPRESENTATION] + [
    (name, retain) for name in PREFERENCE for retain in ("kl", "mse")
]


def method_settings(forget_loss: str = "rmu", **changes) -> dict:
    """A resolved method entry for a tiny model."""
    return {
        "forget_loss": forget_loss, "retain_loss": "kl" if forget_loss in PREFERENCE else "activation",
        "retain_weight": 2.0, "layers": [1, 2], "read_layer": 2, "steps": 6, "learning_rate": 1e-2,
        "learning_rate_unit": "absolute", "batch_size": 3, "weight_decay": 0.0, "implementation": "corrected",
        "trained": "down-projections",
        "parameters": dict(PARAMETERS[forget_loss]), "precision": "master", "gradient_checkpointing": False,
        "parallel": {"processes": 1, "sharded": False}, "tokens": 20, "topics": [], "warm_up": 0, "decay": "none",
    } | changes  # fmt: skip
