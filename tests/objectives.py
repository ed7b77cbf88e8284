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
