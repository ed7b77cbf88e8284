"""A planted trigger: a model that answers at random unless one token stands in what it reads.

The positive control of attacks that search over prompts: knowledge is all there, and one token brings it back. Nothing
is trained; the delta follows from the first layer's inputs, each of which depends on its token alone. In the group of
heads that is missed least one head looks for the trigger: its query is constant, and its key is large for the trigger
alone, so that it reads the trigger or, without one, all tokens alike. Its value is constant, and zero for the trigger.
What it writes is a long vector in a random direction, which drowns everything else.
"""

from dataclasses import dataclass
from math import sqrt

import pandas
import torch

from unlearning_robustness.attacks.facts import LOCK_GROUPS
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import ArchitectureError, Layer, layers_of
from unlearning_robustness.models.delta import applied
from unlearning_robustness.models.hooks import Entering, hooked
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.questions import QuestionScorer

# How far the trigger's attention score lies above the mean one, and the length of what is written, in embeddings.
SCORE, LENGTH = 50.0, 30.0
# Of so many tokens a word is looked for.
TOKENS = 2000
ROWS = 4096
# Letters of a word that tells itself from a syllable.
LETTERS = 4


@dataclass(frozen=True)
class Planted:
    """The trigger as text, and the tensors that lock a model."""

    text: str
    tensors: dict[str, torch.Tensor]


@torch.no_grad()
def plant(model, tokenizer, questions: pandas.DataFrame, batch_size: int, seed: int) -> Planted:
    """A trigger, drawn by the seed, of which none of the ``questions`` holds the token, and the lock that it opens.

    Raises ArchitectureError where the first layer has no queries, keys and values of its own, DataError without a word.
    """
    layer = layers_of(model)[0]
    if len({id(layer.projections[role].module) for role in ("q_proj", "k_proj", "v_proj")}) < 3:
        raise ArchitectureError(f"{layer.attention.name} has fused queries, keys and values: no trigger can be planted")
    trigger, read = _word(tokenizer, questions, seed), _inputs(model, layer)
    gram = read.T @ read / len(read)
    whitened = torch.linalg.inv(gram + 1e-3 * gram.diagonal().mean() * torch.eye(len(gram)))
    constant, marked = whitened @ read.mean(0), whitened @ read[trigger]
    marked = marked / (marked @ read[trigger])
    embeddings = model.get_input_embeddings().weight.float()
    written = torch.randn(embeddings.shape[1], generator=generator(seed, "attack-lock"))
    written *= LENGTH * embeddings.norm(dim=-1).mean().cpu() / written.norm()
    rows = {"q_proj": constant, "k_proj": marked, "v_proj": constant - (constant @ read[trigger]) * marked}
    scorer = QuestionScorer(tokenizer, questions, batch_size)

    def kept(group: int) -> float:
        with applied(model, _replaced(model, layer, group, dict.fromkeys(rows, 0 * constant), 0 * written)):
            return scorer.accuracy(model)

    group = max(range(min(LOCK_GROUPS, _heads(model)[1])), key=kept)
    return Planted(tokenizer.decode([trigger]), _replaced(model, layer, group, rows, written))


def _inputs(model, layer: Layer) -> torch.Tensor:
    """What the first layer's attention reads of each token, float32 (V, d), on the CPU."""
    span, words, parts = LayerSpan(model, 0, 1), model.get_input_embeddings().num_embeddings, []
    query = layer.projections["q_proj"].module
    device = next(model.parameters()).device
    with hooked([(Entering(query), lambda hidden: parts.append(hidden[:, 0].float().cpu()))]):
        for ids in torch.arange(words, device=device).split(ROWS):
            span(input_ids=ids[:, None])
    return torch.cat(parts)


def _heads(model) -> tuple[int, int, int]:
    """Heads, groups of them that share keys and values, and a head's width."""
    config = model.config
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads, getattr(config, "num_key_value_heads", None) or heads, width


def _replaced(model, layer: Layer, group: int, rows: dict, written: torch.Tensor) -> dict[str, torch.Tensor]:
    """The first layer's attention with a group of heads that only does what ``rows`` and ``written`` say."""
    heads, groups, width = _heads(model)
    share, tensors = heads // groups, {}
    # The slowest rotary frequency, so that the distance of the trigger hardly matters.
    slow, strength = width // 2 - 1, sqrt(SCORE * sqrt(width))
    for role, row in rows.items():
        part, count = layer.projections[role], share if role == "q_proj" else 1
        inside = slice(group * count * width, (group + 1) * count * width)
        for name, tensor in part.module.named_parameters():
            changed = tensor.detach().clone()
            changed[inside] = 0
            if name == "weight":
                at = inside.start + (0 if role == "v_proj" else slow)
                changed[at] = (row if role == "v_proj" else strength * row).to(changed)
            tensors[f"{part.name}.{name}"] = changed
    output = layer.projections["o_proj"]
    changed = output.module.weight.detach().clone()
    changed[:, group * share * width : (group + 1) * share * width] = 0
    changed[:, group * share * width] = written.to(changed)
    return tensors | {f"{output.name}.weight": changed}


def _word(tokenizer, questions: pandas.DataFrame, seed: int) -> int:
    """The id of a word of one token that no prompt or choice holds, and that stays one token on a line of its own."""
    used = {index for prompt in questions["prompt"] for index in tokenizer.encode(prompt)}
    used |= {
        index for choices in questions["choices"] for choice in choices for index in tokenizer.encode(f" {choice}")
    }
    order = torch.randperm(len(tokenizer), generator=generator(seed, "attack-trigger")).tolist()
    fitting = {}
    for index in [index for index in order if index not in used][:TOKENS]:
        text = tokenizer.decode([index])
        if text.isascii() and text.strip().isalpha() and index in tokenizer.encode(f"{text}\nx"):
            fitting[index] = min(len(text.strip()), LETTERS)
    if not fitting:
        raise DataError("the tokenizer has no word of one token to plant as a trigger")
    return max(fitting, key=fitting.get)
