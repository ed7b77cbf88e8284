"""The optimisers that move trained tensors: torch's AdamW, and the one that transformers had until version 4."""

import torch


def adamw(tensors: list[torch.Tensor], learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW with torch's own moments."""
    return torch.optim.AdamW(tensors, lr=learning_rate, weight_decay=weight_decay, fused=True)


class TransformersAdamW(torch.optim.Optimizer):
    """AdamW in the order of operations of Kingma and Ba (arXiv 1412.6980, end of section 2), as transformers had it.

    p <- p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon), then p <- p - lr weight_decay p. ``epsilon`` of
    1e-6 is added before the bias of v is corrected: at the first step it is as large as 3e-5 in torch's AdamW. Moments
    and every operation are of the tensors' number type.
    """

    def __init__(self, tensors: list[torch.Tensor], learning_rate: float, weight_decay: float):
        super().__init__(tensors, {"lr": learning_rate, "weight_decay": weight_decay})
        self.decays, self.epsilon = (0.9, 0.999), 1e-6

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One step of all tensors that have a gradient."""
        for group in self.param_groups:
            for tensor in group["params"]:
                if tensor.grad is not None:
                    self._move(tensor, group["lr"], group["weight_decay"])

    def _move(self, tensor: torch.Tensor, rate: float, weight_decay: float) -> None:
        state, (first, second) = self.state[tensor], self.decays
        if not state:
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(tensor)}
            state["exp_avg_sq"] = torch.zeros_like(tensor)
        state["step"] += 1
        done, gradient = state["step"].item(), tensor.grad
        mean = state["exp_avg"].mul_(first).add_(gradient, alpha=1 - first)
        square = state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        length = rate * (1 - second**done) ** 0.5 / (1 - first**done)
        tensor.addcdiv_(mean, square.sqrt().add_(self.epsilon), value=-length)
        if weight_decay:
            tensor.add_(tensor, alpha=-rate * weight_decay)
