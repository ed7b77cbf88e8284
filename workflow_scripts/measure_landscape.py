"""Rule measure_landscape."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas
    import torch

    from unlearning_robustness.evaluation.landscape import measure_landscape
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, params = snakemake.input, snakemake.params
    # Neighbouring points of a slice would be one point in bfloat16.
    model, digest = load_model(source.model, running.device, torch.float32)
    tokenizer, corpora = load_tokenizer(source.model), pandas.read_parquet(source.corpora)
    for index, cell, made in running.cells():
        with applied(model, load_delta(source.delta[index], digest)):
            rows = measure_landscape(model, tokenizer, corpora, params.attack, params.landscape, cell.seed)
        with atomic(made["landscape"]) as path:
            rows.assign(**vars(cell)).to_parquet(path, index=False)
        print(rows[rows["slice"] == "line"].to_string(index=False), flush=True)
