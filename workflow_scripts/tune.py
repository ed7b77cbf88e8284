"""Rule tune."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.evaluation.tuning import VARIED, Search, SelectScorer
    from unlearning_robustness.runtime.manifest import atomic, read_json
    from unlearning_robustness.engine.activation_cache import load_caches
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, params, kind = snakemake.input, snakemake.params, snakemake.wildcards.kind
    model, _ = load_model(source.model, running.device, running.dtype)
    tokenizer = load_tokenizer(source.model)
    scorer = SelectScorer.of(tokenizer, pandas.read_parquet(source.questions), params.batch_size)
    corpora = pandas.read_parquet(source.corpora)
    search = Search(model, tokenizer, load_caches(source.cache), corpora, scorer, int(snakemake.wildcards.seed))
    chosen = read_json(source.chosen[0]) if source.chosen else {}
    settings = params.method | {name: chosen[name] for name in VARIED["methods"] if chosen}
    if kind == "methods":
        rows = search.methods(settings, params.grid, params.every)
    elif kind == "noise":
        rows = search.noise(settings, params.entry, params.grid["noise_scale"])
    elif kind == "defences":
        rows = search.defences(settings, params.entry["rows"], params.grid["grids"], params.entry["attack"])
    else:
        rows = search.attack(settings, params.entry, params.grid["learning_rate"])
    with atomic(snakemake.output[0]) as path:
        pandas.DataFrame(rows).to_csv(path, index=False)
