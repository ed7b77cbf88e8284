"""Rule build_questions."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from unlearning_robustness.data.benchmark import build
    from unlearning_robustness.data.source_tables import Published
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.float32_weights import scored_in
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    model, digest = load_model(snakemake.input.model, running.placement, running.dtype)
    tokenizer = load_tokenizer(snakemake.input.model)
    published = Published(snakemake.params.readers, snakemake.input.sources)
    batch_size = snakemake.params.batch_size
    with scored_in(model, snakemake.params.precision):
        table, report = build(model, tokenizer, snakemake.params.benchmark, batch_size, published)
    with atomic(snakemake.output.questions) as path:
        table.to_parquet(path, index=False)
    running.provenance.write(snakemake.output.manifest, model_digest=digest, **report)
