"""Rule cache_activations."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas
    import torch

    from unlearning_robustness.engine.activation_cache import compute_activations, save_caches
    from unlearning_robustness.scoring.encoding import cut_line, encode_texts, end_of_text
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.progress import Progress

    cache = snakemake.params.cache
    needed = None if cache["likelihood"] else (0, cache["read_layer"] + 1)
    model, _ = load_model(snakemake.input.model, running.device, running.dtype, needed)
    tokenizer = load_tokenizer(snakemake.input.model)
    corpora = pandas.read_parquet(snakemake.input.corpora)
    released, caches = cache["implementation"] == "released", {}
    padding = end_of_text(tokenizer) if released else 0
    for corpus in ("forget", "retain", "refusal"):
        rows = corpora[corpora["corpus"] == corpus]
        texts = list(rows["text"])
        print(cut_line(f"{corpus} texts", tokenizer, texts, cache["tokens"]), flush=True)
        input_ids, mask = encode_texts(tokenizer, texts, cache["tokens"], padding)
        caches[corpus] = compute_activations(
            model, input_ids, mask, cache["first_layer"], cache["read_layer"],
            # Released code has the reference read a text with its batch's padding, so nothing can be kept.
            likelihood=cache["likelihood"] and corpus != "retain" and not released,
            topic=torch.tensor(list(rows["topic"])),
            on_batch=Progress(f"{corpus} texts", len(texts)),
        )  # fmt: skip
    save_caches(snakemake.output[0], caches)
