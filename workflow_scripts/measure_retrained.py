"""Rule measure_retrained."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.config.cells import NONE, RETRAINED, Cell
    from unlearning_robustness.evaluation.protocols import Memorisation
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.manifest import atomic

    source, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    model, _ = load_model(source.model, running.placement, running.dtype)
    tables = {name: pandas.read_parquet(source[name]) for name in ("corpora", "questions")}
    measured = Memorisation(model, load_tokenizer(source.model), tables, params.settings, params.attack)
    records = measured.of({}, Cell(wildcards.model, wildcards.benchmark, RETRAINED, NONE, params.seed))
    with atomic(snakemake.output[0]) as path:
        records.to_parquet(path, index=False, compression=measured.compression)
    print(records.groupby(["attack", "metric", "role"])["value"].mean().to_string())
