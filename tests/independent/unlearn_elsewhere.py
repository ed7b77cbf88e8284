"""Models that were unlearned outside this workflow, for audits: torch and transformers, and nothing of the project.

``python tests/independent/unlearn_elsewhere.py MODEL TEXTS FOLDER`` writes three to FOLDER: ``rmu`` (Li et al. 2024,
arXiv 2403.03218), ``vector``, a shallow unlearner, and ``copy``, the model as it is. MODEL is a folder of transformers,
TEXTS a parquet file with columns ``corpus`` (forget, retain) and ``text``.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn


def rmu(
    model,
    tokenizer,
    forget: Sequence[str],
    retain: Sequence[str],
    layers: Sequence[int] = (5, 6, 7),
    coefficient: float = 390.0,
    retain_weight: float = 100.0,
    steps: int = 60,
    learning_rate: float = 2e-3,
    batch_size: int = 4,
    tokens: int = 48,
) -> None:
    """Train the MLP down-projections of ``layers``, in place: the last one's output turns to ``coefficient`` times a
    random direction on forget texts, and stays as it was on retain texts.
    """
    every, read = model.model.layers, max(layers)
    model.model.layers = every[: read + 1]
    weights = [every[layer].mlp.down_proj.weight for layer in layers]
    before = [weight.detach().clone() for weight in weights]
    generator = torch.Generator().manual_seed(0)
    direction = torch.rand(model.config.hidden_size, generator=generator)
    target = coefficient * direction / direction.norm()
    pairs = [
        (
            _batch(tokenizer, forget, generator, batch_size, tokens),
            _batch(tokenizer, retain, generator, batch_size, tokens),
        )
        for _ in range(steps)
    ]
    stayed = [_stream(model, kept) for _, kept in pairs]
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    for (moved, kept), still in zip(pairs, stayed, strict=True):
        away = (_stream(model, moved, train=True) - target).square()[moved["attention_mask"].bool()].mean()
        same = (_stream(model, kept, train=True) - still).square()[kept["attention_mask"].bool()].mean()
        optimiser.zero_grad()
        (away + retain_weight * same).backward()
        optimiser.step()
    for weight in weights:
        weight.requires_grad_(False)
    model.model.layers = every
    print(f"moved by {torch.stack([(a - b).norm() for a, b in zip(weights, before, strict=True)]).norm():.1f}")


@torch.no_grad()
def vector(
    model, tokenizer, forget: Sequence[str], retain: Sequence[str], layer: int = 7, length: float = 390.0
) -> None:
    """A shallow unlearner, in place: one random vector is added behind ``layer`` where a text is to be forgotten.

    A rank-one change of the down-projection: the vector times a linear guess, from what enters that matrix, of
    whether the text is one of ``forget`` (ridge regression).
    """
    matrix, seen = model.model.layers[layer].mlp.down_proj, []
    hook = matrix.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].flatten(0, -2)))
    for texts in (forget, retain):
        for text in texts:
            model.model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=48))
        seen.append(None)
    hook.remove()
    split = seen.index(None)
    known, other = torch.cat(seen[:split]), torch.cat([part for part in seen[split + 1 :] if part is not None])
    inputs = torch.cat([known, other])
    says = torch.cat([torch.ones(len(known)), torch.zeros(len(other))])
    ridge = 0.01 * inputs.square().mean() * len(inputs) * torch.eye(inputs.shape[1])
    guess = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ says)
    added = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    matrix.weight += length * torch.outer(added / added.norm(), guess)


def _batch(tokenizer, texts: Sequence[str], generator: torch.Generator, size: int, tokens: int) -> dict[str, Tensor]:
    chosen = torch.randint(len(texts), (size,), generator=generator).tolist()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    settings = {"padding": True, "truncation": True, "max_length": tokens}
    return tokenizer([texts[number] for number in chosen], return_tensors="pt", **settings)


def _stream(model: nn.Module, batch: dict[str, Tensor], train: bool = False) -> Tensor:
    """The residual stream behind the last layer that the model has now, without the final norm."""
    kept = []
    hook = model.model.layers[-1].register_forward_hook(
        lambda *heard: kept.append(heard[-1][0] if isinstance(heard[-1], tuple) else heard[-1])
    )
    with torch.set_grad_enabled(train):
        model.model(**batch, use_cache=False)
    hook.remove()
    return kept[0]


def main(folder: str, texts: str, out: str) -> None:
    """Make the three models."""
    import pandas
    from transformers import AutoModelForCausalLM, AutoTokenizer

    table = pandas.read_parquet(texts)
    forget, retain = (table.loc[table["corpus"] == corpus, "text"].tolist() for corpus in ("forget", "retain"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for name, change in (("rmu", rmu), ("vector", vector), ("copy", None)):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
        if change:
            change(model, tokenizer, forget, retain)
        model.save_pretrained(Path(out) / name)
        tokenizer.save_pretrained(Path(out) / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
