"""Tokenizers that put special tokens around a text, or merge across words."""


def tokenizer_of(before=(), behind=(), merges=()):
    """One token a byte, with special tokens before and behind, and merges that cross words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate([*alphabet, *map("".join, merges)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    ids = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join([*before, "$A", *behind]), special_tokens=ids
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


TOKENIZERS = {
    "bare": {},
    "with-bos": {"before": ["<s>"]},
    "appends-eos": {"behind": ["</s>"]},
    "with-both": {"before": ["<s>"], "behind": ["</s>"]},
    "merges-at-the-boundary": {"merges": [("s", "Ġ"), ("Ġ", "a"), ("sĠ", "F")]},
}
