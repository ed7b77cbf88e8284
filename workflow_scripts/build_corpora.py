"""Rule build_corpora."""

from entry import job

with job(snakemake):
    from unlearning_robustness.data.corpora import build_corpora
    from unlearning_robustness.data.source_tables import Published
    from unlearning_robustness.runtime.manifest import atomic

    settings = snakemake.params.benchmark
    published = Published(snakemake.params.readers, snakemake.input.sources)
    table = build_corpora(settings, str(settings["seed"]), published)
    with atomic(snakemake.output[0]) as path:
        table.to_parquet(path, index=False)
    print(table["corpus"].value_counts().to_string())
