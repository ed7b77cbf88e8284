"""A configuration with one thing changed, and the one line that refuses it."""

import copy

import pytest
from snakemake.common.configfile import load_configfile

from unlearning_robustness.config import ConfigError, resolve

GONE = "<gone>"
MADE = "{benchmark: elements, corpora: [forget], steps: 2, learning_rate: 1.0e-4, batch_size: 2, tokens: %s}"
MEASURE = "{documents: 4, prompt_tokens: 8, continuation_tokens: 8, questions: 4, shots: 1, answer_tokens: 4, %s}"


def replaced(config, place, value):
    """A copy of the configuration with the value at a place replaced, or with GONE taken away."""
    whole = entry = copy.deepcopy(config)
    *way, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    for step in way:
        entry = entry[step]
    if value == GONE:
        del entry[last]
    else:
        entry[last] = value
    return whole


def changed(config, place, text, folder):
    """The same with YAML text, read as Snakemake reads it."""
    if text == GONE:
        return replaced(config, place, GONE)
    (folder / "value.yaml").write_text(f"value: {text}\n")
    return replaced(config, place, load_configfile(folder / "value.yaml")["value"])


def message_of(config):
    with pytest.raises(ConfigError) as raised:
        resolve(config)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text
