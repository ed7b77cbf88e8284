"""Pretrain a small Llama on the documents of a generated world, with or without those that are to be forgotten.

Both models start from the same weights and read the same documents in the same batches; for the one that never sees
what is to be forgotten these documents are left out of each batch, and nothing takes their place.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from unlearning_robustness.data.world import ROLES, World
from unlearning_robustness.engine.schedule import Schedule
from unlearning_robustness.engine.weights import TrainedWeights, norm
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.runtime.artefacts import is_whole, seal_state
from unlearning_robustness.runtime.manifest import atomic, digest_of
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.runtime.seeds import generator, stream_seed
from unlearning_robustness.training.fine_tuning import text_loss
from unlearning_robustness.training.orders import batch_order

# AdamW's decay of the squared gradients: shorter than torch's, as few steps are taken.
BETAS = (0.9, 0.98)
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Documents:
    """Texts in a fixed order, each of a role or of none, about the role's entity of a number; -1 about none."""

    texts: list[str]
    roles: list[str]
    entities: list[int]

    @classmethod
    def of(cls, world: World) -> "Documents":
        """All documents of a world, entity by entity, then those that state nothing."""
        rows = [
            (row["text"], role, number)
            for role in ROLES
            for number, name in enumerate(world.domains[role].entities())
            for row in world.documents(role, [name])
        ]
        rows += [(row["text"], "", -1) for row in world.mentions()]
        return cls(*map(list, zip(*rows, strict=True)))

    def left_out(self, forget_facts: bool) -> torch.Tensor:
        """Which documents (N,) a model never reads."""
        return torch.tensor([role == "forget" and not forget_facts for role in self.roles])


def first_model(settings: dict, tokens: int):
    """A Llama in float32 with random weights, for a vocabulary of so many ``tokens``; ``settings`` is the entry
    ``generated``. Weights follow from its seed alone.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **{**settings["shape"], "vocab_size": tokens},
        max_position_embeddings=settings["positions"],
        initializer_range=settings["initializer_range"],
        attention_bias=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(settings["seed"], "first-weights"))
        return LlamaForCausalLM(config)


def pretrain(model, documents: Documents, tokenised: tuple[torch.Tensor, torch.Tensor], settings: dict, state: Path):
    """Train all of ``model`` in place on ``documents``, of which ``tokenised`` are ids and mask (N, T).

    ``state`` is the file by which an interrupted run goes on, bit for bit. Returns facts for the manifest: digests of
    the first weights, of what both models read, and of its order; the tokens read and the last loss. Raises
    TrainingError when the loss is not finite.
    """
    input_ids, mask = (part.to(model.device) for part in tokenised)
    schedule = Schedule(settings["steps"], settings["learning_rate"], settings["batch_size"],
                        warm_up=settings["warm_up"], decay="linear")  # fmt: skip
    order = order_of(documents, settings)
    shared = [text for text, role in zip(documents.texts, documents.roles, strict=True) if role != "forget"]
    facts = {"first_weights": digest_of_tensors(model.parameters()), "shared_documents": digest_of(shared)}
    facts["order"] = digest_of_tensors([order])
    run = Run(model, settings["weight_decay"])
    done, left_out = run.restore(state), documents.left_out(settings["forget_facts"])
    progress = Progress("pretraining step", settings["steps"])
    tokens, loss = 0, float("nan")
    for step in range(settings["steps"]):
        rows = order[step][~left_out[order[step]]]
        tokens += int(mask[rows].sum())
        if step < done or not len(rows):
            continue
        rate = schedule.learning_rate * schedule.share_at(step)
        loss = run.step(text_loss(model, input_ids[rows], mask[rows]), rate, settings["clipping"])
        progress(step + 1)
        if (step + 1) % settings["save_every"] == 0:
            run.save(state, step + 1)
    run.finish()
    return facts | {"tokens_read": tokens, "last_loss": loss}


def order_of(documents: Documents, settings: dict) -> torch.Tensor:
    """The batches (steps, batch_size), as indices of documents, in the order of the seed.

    The first ``beginning.steps`` are about the first ``beginning.entities`` of every role alone: a model that has
    learnt where a fact is read from learns the others in a third fewer steps (Zucchet et al., arXiv 2503.21676).
    """
    size, steps, beginning = settings["batch_size"], settings["steps"], settings["beginning"]
    random = generator(settings["seed"], "documents-order")
    numbers = torch.tensor(documents.entities)
    few = ((numbers >= 0) & (numbers < beginning["entities"])).nonzero()[:, 0]
    first = few[batch_order(len(few), size, min(steps, beginning["steps"]), random)]
    return torch.cat([first, batch_order(len(documents.texts), size, steps - len(first), random)])


class Run:
    """Float32 masters of all tensors of ``model`` and their AdamW; ``weight_decay`` is that of matrices."""

    def __init__(self, model, weight_decay: float):
        self.weights = TrainedWeights(model, [name for name, _ in model.named_parameters()])
        tensors = list(self.weights.optimised.values())
        groups = [([tensor for tensor in tensors if tensor.dim() > 1], weight_decay)]
        groups.append(([tensor for tensor in tensors if tensor.dim() == 1], 0.0))
        self.optimiser = torch.optim.AdamW(
            [{"params": part, "weight_decay": decay} for part, decay in groups], lr=0.0, betas=BETAS, fused=True
        )

    def step(self, loss: torch.Tensor, rate: float, clipping: float) -> float:
        """One step of AdamW at a learning rate, gradients cut back to a norm; returns the loss."""
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of pretraining is {loss.item()}: lower models.*.generated.learning_rate")
        gradients = self.weights.gradient(loss)
        factor = min(1.0, clipping / (norm(gradients) + 1e-6))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.weights.step(self.optimiser, {name: factor * tensor for name, tensor in gradients.items()})
        return loss.item()

    def finish(self) -> None:
        """Freeze the model, whose tensors stay as they are."""
        for tensor in self.weights.live.values():
            tensor.requires_grad_(False)

    def save(self, path: Path, steps: int) -> None:
        """Write masters, moments and the number of ``steps`` done."""
        tensors = {"steps": torch.tensor(steps)}
        for name, tensor in self.weights.optimised.items():
            moments = {f"{moment}.{name}": self.optimiser.state[tensor][moment] for moment in MOMENTS}
            tensors |= {f"master.{name}": tensor.detach(), **moments}
        with atomic(path) as temporary:
            save_file(tensors, temporary)
        seal_state(path)

    def restore(self, path: Path) -> int:
        """Continue from :meth:`save`, if it wrote a file; returns the number of steps done."""
        if not is_whole(path):
            return 0
        tensors = load_file(path)
        for name, tensor in self.weights.optimised.items():
            tensor.data.copy_(tensors[f"master.{name}"])
            self.optimiser.state[tensor] = {moment: tensors[f"{moment}.{name}"].to(tensor.device) for moment in MOMENTS}
        self.weights.publish()
        return int(tensors["steps"])


def digest_of_tensors(tensors: Iterable[torch.Tensor]) -> str:
    """sha256 of the numbers of tensors, in their order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
