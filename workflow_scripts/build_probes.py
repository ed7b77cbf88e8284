"""Rule build_probes."""

from entry import job

with job(snakemake):
    import pandas

    from unlearning_robustness.data.benchmark import build_probes
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.loading import load_tokenizer

    questions = pandas.read_parquet(snakemake.input.questions)
    asked = questions[questions["split"].isin(snakemake.params.splits)]
    tokenizer = load_tokenizer(snakemake.input.model)
    corpora = pandas.read_parquet(snakemake.input.corpora)
    table = build_probes(asked, tokenizer, snakemake.params.benchmark, snakemake.params.probes, corpora)
    with atomic(snakemake.output[0]) as path:
        table.to_parquet(path, index=False)
    print(table.groupby(["probe", "role"]).size().to_string())
