"""Second derivatives of a loss: Hessian-vector products by double backward, traces by Hutchinson's estimator."""

from collections.abc import Callable, Iterator, Mapping

import torch

from unlearning_robustness.engine.weights import Tensors


def inner_product(gradients: Tensors, direction: Tensors) -> torch.Tensor:
    """<gradient, direction>, a float32 scalar; its gradient is the Hessian times ``direction``."""
    products = [(gradients[name].float() * direction[name]).sum() for name in gradients]
    return torch.stack([each.to(products[0].device) for each in products]).sum()


def hessian_product(gradients: Tensors, variables: Mapping[str, torch.Tensor]) -> Callable[[Tensors], Tensors]:
    """Maps a direction to Hessian times direction; all directions share the graph of ``gradients``."""

    def product(direction: Tensors) -> Tensors:
        images = torch.autograd.grad(inner_product(gradients, direction), list(variables.values()), retain_graph=True)
        return dict(zip(gradients, images, strict=True))

    return product


def hutchinson(
    product: Callable[[Tensors], Tensors],
    like: Tensors,
    draws: int,
    generator: torch.Generator,
    mask: torch.Tensor | float = 1,
) -> Iterator[Tensors]:
    """For each draw of random signs z: z * Hz, elementwise, in the shapes of ``like``; their sum estimates the trace.

    Where ``mask`` is 0 the variables are held fixed.
    """
    for _ in range(draws):
        signs = {
            name: (torch.randint(0, 2, tensor.shape, generator=generator, device=generator.device).to(tensor) * 2 - 1)
            * mask
            for name, tensor in like.items()
        }
        image = product(signs)
        yield {name: signs[name] * image[name] for name in like}
