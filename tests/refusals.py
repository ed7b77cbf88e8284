"""A configuration with one thing changed, and the one line that refuses it."""

import pytest
from snakemake.common.configfile import load_configfile

from unlearning_robustness.config import ConfigError, resolve

GONE = "<gone>"
MADE = "{benchmark: elements, corpora: [forget], steps: 2, learning_rate: 1.0e-4, batch_size: 2, tokens: %s}"
MEASURE = "{documents: 4, prompt_tokens: 8, continuation_tokens: 8, questions: 4, shots: 1, answer_tokens: 4, %s}"


def changed(config, place, text, folder):
    """The configuration with the value at a place replaced by YAML text, read as Snakemake reads it."""
    *way, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    entry = config
    for step in way:
        entry = entry[step]
    if text == GONE:
        del entry[last]
    else:
        (folder / "value.yaml").write_text(f"value: {text}\n")
        entry[last] = load_configfile(folder / "value.yaml")["value"]
    return config


def message_of(config):
    with pytest.raises(ConfigError) as raised:
        resolve(config)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text
