"""Make a model that knows texts by heart: the target that MUSE (arXiv 2407.06460) unlearns.

The model before it is then truly retrained: it never saw the texts.
"""

from collections.abc import Sequence

from unlearning_robustness.engine.weights import TrainedWeights, down_projections
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.perplexity import prose_perplexity
from unlearning_robustness.training.fine_tuning import fine_tune, learning_rate_at
from unlearning_robustness.training.orders import batch_order


def memorise(model, tokenizer, texts: Sequence[str], settings: dict) -> dict[str, float]:
    """Fine-tune ``model`` in place on ``texts``, in passes of random order, in float32 masters.

    ``settings`` is the resolved entry models.ID.memorised. Returns the perplexity on the texts before and after.
    Raises TrainingError when the loss is not finite.
    """
    layers = range(model.config.num_hidden_layers)
    every = [name for name, _ in model.named_parameters()]
    names = every if settings["tensors"] == "all" else down_projections(model, layers)
    before = prose_perplexity(model, tokenizer, texts, settings["tokens"], "models.*.memorised.tokens")
    weights, device = TrainedWeights(model, names), next(model.parameters()).device
    input_ids, mask = (part.to(device) for part in encode_texts(tokenizer, texts, settings["tokens"]))
    order = generator(settings["seed"], "memorise-order")
    batches = batch_order(len(texts), settings["batch_size"], settings["steps"], order)
    progress = Progress("memorising step", settings["steps"])
    peak, warm_up = settings["learning_rate"], settings["warm_up"]
    for step in fine_tune(model, weights, input_ids, mask, batches, lambda at: learning_rate_at(at, peak, warm_up)):
        progress(step)
    for tensor in weights.live.values():
        tensor.requires_grad_(False)
    after = prose_perplexity(model, tokenizer, texts, settings["tokens"], "models.*.memorised.tokens")
    return {"perplexity_before": before, "perplexity_after": after, "weight_change": weights.change(weights.delta())}


def memorised_texts(corpora, settings: dict) -> list[str]:
    """The texts of the corpora to be memorised, in their order."""
    return list(corpora.loc[corpora["corpus"].isin(settings["corpora"]), "text"])
