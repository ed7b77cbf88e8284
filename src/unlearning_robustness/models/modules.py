"""Parts of the decoder layers by name, for attacks that read or change them."""

from torch import nn

from unlearning_robustness.models.slicing import decoder_of


def layer_modules(model: nn.Module, name: str = "") -> list[nn.Module]:
    """The module ``name`` of every decoder layer, by default the layer itself.

    Raises AttributeError naming the module that was looked for when the architecture has none.
    """
    found = []
    for layer in decoder_of(model).layers:
        if name and not hasattr(layer, name):
            raise AttributeError(f"{type(model).__name__} has no `model.layers.*.{name}`: it cannot be read there")
        found.append(getattr(layer, name) if name else layer)
    return found


def linear_modules(model: nn.Module) -> dict[str, nn.Linear]:
    """Every linear module of the decoder layers by the name of its weight.

    Experts that are packed into one tensor are no linear modules. Raises AttributeError when the decoder has no
    ``layers``, or none of them has an ``nn.Linear``.
    """
    inside = {id(module) for layer in decoder_of(model).layers for module in layer.modules()}
    found = {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, nn.Linear)
    }
    if not found:
        raise AttributeError(f"the layers of {type(model).__name__} have no `nn.Linear`: nothing to attack")
    return found
