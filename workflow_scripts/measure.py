"""Rule measure."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas
    import torch

    from unlearning_robustness.evaluation.measures import MEASURES
    from unlearning_robustness.models.delta import load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.manifest import atomic

    source, params, measure = snakemake.input, snakemake.params, MEASURES[snakemake.wildcards.measure]
    model, digest = load_model(source.model, running.placement, torch.float32 if measure.in_float32 else running.dtype)
    tables = {name: pandas.read_parquet(path) for name, path in source.items() if name not in ("model", "delta")}
    measured = measure(model, load_tokenizer(source.model), tables, params.settings, params.attack)
    for index, cell, files in running.cells():
        table = measured.of(load_delta(source.delta[index], digest), cell)
        with atomic(files["records"]) as path:
            table.to_parquet(path, index=False, compression=measure.compression)
        print(table.describe().to_string(), flush=True)
