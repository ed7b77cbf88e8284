"""Rule measure_retrained."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.config.cells import NONE, RETRAINED, Cell
    from unlearning_robustness.evaluation.open_answers import measure_memorisation
    from unlearning_robustness.evaluation.protocols import probe_of
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, params, place = snakemake.input, snakemake.params, snakemake.wildcards
    model, _ = load_model(source.model, running.device, running.dtype)
    corpora, asked = pandas.read_parquet(source.corpora), pandas.read_parquet(source.asked)
    probe = probe_of(load_tokenizer(source.model), corpora, asked, params.memorisation)
    cell = Cell(place.model, place.benchmark, RETRAINED, NONE, params.seed)
    records = measure_memorisation(model, probe, corpora, cell, params.attack)
    with atomic(snakemake.output[0]) as path:
        records.to_parquet(path, index=False, compression="zstd")
    print(records.groupby(["attack", "metric", "role"])["value"].mean().to_string())
