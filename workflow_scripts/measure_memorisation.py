"""Rule measure_memorisation."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.evaluation.open_answers import measure_memorisation
    from unlearning_robustness.evaluation.protocols import probe_of
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.device, running.dtype)
    corpora, asked = pandas.read_parquet(source.corpora), pandas.read_parquet(source.asked)
    probe = probe_of(load_tokenizer(source.model), corpora, asked, params.memorisation)
    for index, cell, made in running.cells():
        with applied(model, load_delta(source.delta[index], digest)):
            records = measure_memorisation(model, probe, corpora, cell, params.attack)
        with atomic(made["memorisation"]) as path:
            records.to_parquet(path, index=False, compression="zstd")
        print(records.groupby(["attack", "metric", "role"])["value"].mean().to_string(), flush=True)
