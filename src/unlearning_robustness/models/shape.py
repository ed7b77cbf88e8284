"""The shape of a model, which decides what computing with it costs, and the work that this takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unlearning_robustness.config.layers import origin_of
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.models.config_json import contents_of, positions_of, sizes_in
from unlearning_robustness.runtime.manifest import read_json

# Bytes of a number, and of an index into a tensor.
BFLOAT16, FLOAT32, INDEX = 2, 4, 4
# A weight in fine-tuning: its original, a master, two moments and a gradient.
FINE_TUNED_BYTES = 4 * FLOAT32 + BFLOAT16
# Logits are held in float32, as log-probabilities, and with their gradient.
LOGIT_BYTES = 4 * FLOAT32
# What a backward pass keeps of a layer, in widths: its input, the attention's and the MLP's inner activations.
KEPT_ACTIVATIONS = 16


@dataclass(frozen=True)
class Work:
    """The work of one process: floating-point operations, sequential layer calls, bytes held, bytes left behind."""

    operations: float = 0.0
    layer_calls: float = 0.0
    memory: float = 0.0
    disk: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        """One after the other in one process."""
        return Work(
            self.operations + other.operations,
            self.layer_calls + other.layer_calls,
            max(self.memory, other.memory),
            self.disk + other.disk,
        )

    def times(self, count: int) -> "Work":
        """The same ``count`` times in one process."""
        return Work(self.operations * count, self.layer_calls * count, self.memory, self.disk * count)


@dataclass(frozen=True)
class Shape:
    """A decoder; fields are named as in Llama's ``config.json``.

    ``gated`` says whether the MLPs have a gate, ``experts`` how many of them a layer has, of which each token takes
    ``experts_per_token``.
    """

    hidden_size: int
    num_hidden_layers: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    head_dim: int | None = None
    tie_word_embeddings: bool = False
    gated: bool = True
    experts: int = 1
    experts_per_token: int = 1

    @classmethod
    def of(cls, config: Mapping) -> "Shape":
        """The shape that the contents of a ``config.json`` describe, or what a study's configuration copied from it."""
        return cls(**sizes_in(config))

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer: queries, keys, values, output and the matrices of its MLP, or of all experts."""
        return self._weights(self.experts)

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of a layer's linear modules by role; of experts those of one."""
        width, inner = self.hidden_size, self.intermediate_size
        head = self.head_dim or width // self.num_attention_heads
        queries, keys = self.num_attention_heads * head, self.num_key_value_heads * head
        attention = {
            "q_proj": (width, queries), "k_proj": (width, keys), "v_proj": (width, keys), "o_proj": (queries, width),
        }  # fmt: skip
        gate = {"gate_proj": (width, inner)} if self.gated else {}
        return attention | gate | {"up_proj": (width, inner), "down_proj": (inner, width)}

    def _weights(self, experts: int) -> int:
        """Weights of one layer with so many experts."""
        weights = {role: inputs * outputs for role, (inputs, outputs) in self.matrices.items()}
        mlp = sum(weights.pop(role) for role in ("gate_proj", "up_proj", "down_proj") if role in weights)
        return sum(weights.values()) + experts * mlp

    @property
    def head_parameters(self) -> int:
        """Weights from the last residual stream to the vocabulary."""
        return self.hidden_size * self.vocab_size

    @property
    def parameters(self) -> int:
        """All weights, norms left out."""
        embeddings = self.head_parameters * (1 if self.tie_word_embeddings else 2)
        return self.num_hidden_layers * self.layer_parameters + embeddings

    @property
    def projection_parameters(self) -> int:
        """Weights of one MLP down-projection, the tensor that is trained."""
        return self.hidden_size * self.intermediate_size

    def forward(self, layers: int, head: bool = True) -> float:
        """Floating-point operations of one token through ``layers`` layers, two a weight; attention scores left out."""
        return 2.0 * (layers * self._weights(self.experts_per_token) + (self.head_parameters if head else 0))

    def activations(self, tokens: int, layers: int, head: bool, dtype: int = BFLOAT16, checkpointing: bool = False):
        """Bytes of logits and of what a backward pass keeps; with checkpointing layers' inputs and one's inside."""
        inside = layers + KEPT_ACTIVATIONS if checkpointing else layers * KEPT_ACTIVATIONS
        logits = tokens * self.vocab_size * LOGIT_BYTES if head else 0
        return tokens * inside * self.hidden_size * dtype + logits

    def memory(self, tokens: int = 0, trained: int = 0, layers: int = 0, dtype: int = BFLOAT16) -> int:
        """Bytes of the weights, of what training ``trained`` of them adds, and of the activations of ``tokens``."""
        return self.parameters * dtype + trained * FINE_TUNED_BYTES + self.activations(tokens, layers, True, dtype)

    def fine_tuning(self, steps: int, tokens: int, trained: int, checkpointing: bool = False) -> Work:
        """Train ``trained`` weights, of all layers, with ``tokens`` tokens a step."""
        layers = self.num_hidden_layers
        return Work(
            operations=steps * tokens * ((3 if checkpointing else 2) * self.forward(layers) + 2 * trained),
            layer_calls=steps * 3 * layers,
            memory=self.memory(trained=trained) + self.activations(tokens, layers, True, checkpointing=checkpointing),
        )


def shape_of(name: str, entry: dict, folder: Path) -> Shape:
    """The shape of a model: from its folder where it is there, else as its config entry declares it.

    Raises ConfigError when neither says it.
    """
    path = folder / "config.json"
    sizes = read_json(path) if path.is_file() else entry.get("shape")
    if sizes is None:
        needed = "hidden_size, num_hidden_layers, ... as its config.json has them"
        raise ConfigError(f"models.{name}.shape: missing; a plan before the model is fetched needs {needed}")
    return Shape.of(sizes)


def depths_in(config: dict, folder: Path) -> dict[str, int]:
    """The number of layers of each model of the study whose ``config.json`` is here: fetched, or in its ``path``."""
    sizes = {model: sizes_in(said) for model, said in _said_here(config, folder).items()}
    return {model: depth for model, each in sizes.items() if isinstance(depth := each.get("num_hidden_layers"), int)}


def experts_in(config: dict, folder: Path) -> dict[str, int]:
    """The number of experts a layer of each model of the study whose ``config.json`` is here and says it."""
    sizes = {model: sizes_in(said) for model, said in _said_here(config, folder).items()}
    return {model: each["experts"] for model, each in sizes.items() if "experts" in each}


def positions_in(config: dict, folder: Path) -> dict[str, int]:
    """The number of positions of each model of the study whose ``config.json`` is here and says it."""
    positions = {model: positions_of(said) for model, said in _said_here(config, folder).items()}
    return {model: most for model, most in positions.items() if most}


def _said_here(config: dict, folder: Path) -> dict[str, dict]:
    """By model what its ``config.json`` says."""
    said = {}
    for model in config["study"]["models"]:
        origin = origin_of(config, model)
        sources = [folder / origin, Path(config["models"][origin].get("path", folder / origin)).expanduser()]
        for path in [source / "config.json" for source in sources if (source / "config.json").is_file()]:
            said[model] = contents_of(path)
    return said


def shapes_of(config: dict, folder: Path) -> dict[str, Shape]:
    """The shape of each model of the study; models lie in ``folder``, and one made from another has its shape.

    Raises ConfigError as ``shape_of`` does.
    """
    models = config["models"]
    origins = {name: origin_of(config, name) for name in config["study"]["models"]}
    return {name: shape_of(origin, models[origin], folder / origin) for name, origin in origins.items()}
