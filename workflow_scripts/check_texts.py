"""Rule check_texts."""

from entry import job

with job(snakemake):
    import pandas

    from unlearning_robustness.data.equal_texts import repetition_line
    from unlearning_robustness.data.overlap import repetitions
    from unlearning_robustness.data.source_tables import Published
    from unlearning_robustness.data.supply import check_texts
    from unlearning_robustness.runtime.manifest import write_json

    settings, corpora = snakemake.params.benchmark, pandas.read_parquet(snakemake.input.corpora)
    check_texts(snakemake.wildcards.benchmark, corpora, snakemake.params.demands)
    texts = repetitions(corpora)
    for name, counts in texts.items():
        print(repetition_line(name, counts))
    asked = Published(snakemake.params.readers, snakemake.input.sources).counts(settings)
    write_json(snakemake.output[0], {"repetitions": texts, "published_questions": asked})
