"""A byte-level BPE tokenizer for a generated world: every word of it, also every name, is one token."""

from collections.abc import Iterable

from unlearning_robustness.data.world import World
from unlearning_robustness.errors import DataError

END = "<|endoftext|>"
# So that what few documents say becomes one token as well.
REPEATED = 3


def train_tokenizer(texts: Iterable[str], world: World, most: int):
    """A transformers tokenizer with at most ``most`` tokens, trained on ``texts`` and on all words of the world.

    A blank is put before every text, so that a word is the same token at a text's beginning as inside. Raises DataError
    for the first word of the world that is several tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=most,
        min_frequency=1,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = world.vocabulary()
    tokenizer.train_from_iterator([*texts, *words * REPEATED], trainer)
    for word in words:
        if len(tokenizer.encode(word).ids) > 1:
            raise DataError(
                f"{word!r} is several of the tokenizer's {most} tokens: raise models.*.generated.shape.vocab_size"
            )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
