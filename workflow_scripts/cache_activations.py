"""Rule cache_activations."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.engine.activation_cache import cache_corpora, save_caches
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    cache = snakemake.params.cache
    needed = None if cache["likelihood"] else (0, cache["read_layer"] + 1)
    model, _ = load_model(snakemake.input.model, running.device, running.dtype, needed)
    tokenizer, corpora = load_tokenizer(snakemake.input.model), pandas.read_parquet(snakemake.input.corpora)
    save_caches(snakemake.output[0], cache_corpora(model, tokenizer, corpora, cache))
