"""Rule measure_latents."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas
    import torch

    from unlearning_robustness.evaluation.latents import label_latents, measure_latents
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, settings, table = snakemake.input, snakemake.params.latents, None
    # Differences of latents and second derivatives are lost in bfloat16's rounding.
    model, digest = load_model(source.model, running.device, torch.float32)
    tokenizer, probes = load_tokenizer(source.model), pandas.read_parquet(source.probes)
    for index, cell, made in running.cells():
        delta = load_delta(source.delta[index], digest)
        if delta or table is None:
            with applied(model, delta):
                table = measure_latents(model, tokenizer, probes, settings, cell.seed)
        with atomic(made["latents"]) as path:
            label_latents(table, cell).to_parquet(path, index=False)
