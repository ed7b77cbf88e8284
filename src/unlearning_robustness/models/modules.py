"""Parts of the decoder layers by name, for attacks that read or change them."""

from torch import nn

from unlearning_robustness.errors import StudyError
from unlearning_robustness.models.hooks import Entering
from unlearning_robustness.models.slicing import decoder_of

# The norm through which the stream enters the MLP: in Gemma the usual name belongs to another norm.
BEFORE_MLP = ("pre_feedforward_layernorm", "post_attention_layernorm")


class ArchitectureError(StudyError, AttributeError):
    """A model lacks the module that an attack or a method needs."""


def layer_modules(model: nn.Module, name: str = "") -> list[nn.Module]:
    """The module ``name`` of every decoder layer, by default the layer itself.

    Raises ArchitectureError naming the module that the architecture lacks.
    """
    modules = []
    for layer in _decoder(model).layers:
        if name and not hasattr(layer, name):
            raise ArchitectureError(f"{type(model).__name__} has no `model.layers.*.{name}`: it cannot be read there")
        modules.append(getattr(layer, name) if name else layer)
    return modules


def _decoder(model: nn.Module) -> nn.Module:
    try:
        return decoder_of(model)
    except AttributeError as error:
        raise ArchitectureError(str(error)) from None


def after_attention(model: nn.Module) -> list[Entering]:
    """Where the residual stream of every decoder layer passes between attention and MLP: as it enters the MLP's norm.

    Raises ArchitectureError naming that norm for layers without one, whose attention and MLP stand side by side
    (Phi), or whose norms stand behind them (OLMo 2).
    """
    layers, (gemma, usual) = layer_modules(model), BEFORE_MLP
    name = gemma if all(hasattr(layer, gemma) for layer in layers) else usual
    if not all(hasattr(layer, "input_layernorm") for layer in layers):
        raise ArchitectureError(
            f"{type(model).__name__} has no `model.layers.*.input_layernorm`: it cannot be read after attention"
        )
    return [Entering(module) for module in layer_modules(model, name)]


def linear_modules(model: nn.Module) -> dict[str, nn.Linear]:
    """Every linear module of the decoder layers by the name of its weight.

    Experts that are packed into one tensor are no linear modules. Raises ArchitectureError when the decoder has no
    ``layers``, or none of them has an ``nn.Linear``.
    """
    inside = {id(module) for layer in _decoder(model).layers for module in layer.modules()}
    linear = {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, nn.Linear)
    }
    if not linear:
        raise ArchitectureError(f"the layers of {type(model).__name__} have no `nn.Linear`: nothing to attack")
    return linear
