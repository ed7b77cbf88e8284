"""Rule build_open_questions."""

from entry import job

with job(snakemake):
    from unlearning_robustness.data.source_tables import Published
    from unlearning_robustness.runtime.manifest import atomic

    published = Published(snakemake.params.readers, snakemake.input.sources)
    table = published.open_questions(snakemake.params.benchmark["open"])
    with atomic(snakemake.output[0]) as path:
        table.to_parquet(path, index=False)
    print(table.groupby(["part", "role"]).size().to_string())
