"""Rule arbitrate."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from tempfile import TemporaryDirectory

    from unlearning_robustness.data.source_tables import Published
    from unlearning_robustness.errors import DataError
    from unlearning_robustness.evaluation.arbitration import arbitrate
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, params = snakemake.input, snakemake.params
    if params.chat:
        raise DataError(f"benchmarks.{snakemake.wildcards.benchmark}.chat: lm-eval's own tasks are asked in plain text")
    model, digest = load_model(source.model, running.placement, running.dtype)
    tokenizer, published = load_tokenizer(source.model), Published(params.readers, source.sources)
    roles, batch_size = list(params.benchmark.values()), params.batch_size
    with applied(model, load_delta(source.delta, digest)), TemporaryDirectory() as folder:
        table = arbitrate(model, tokenizer, published, roles, folder, batch_size)
    with atomic(snakemake.output[0]) as path:
        table.to_csv(path, index=False)
    print(table.to_string())
