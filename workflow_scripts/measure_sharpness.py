"""Rule measure_sharpness."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas
    import torch

    from unlearning_robustness.evaluation.sharpness import measure_sharpness
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.engine.weights import change_of

    source, settings = snakemake.input, snakemake.params.sharpness
    # Second derivatives are lost in bfloat16's rounding.
    model, digest = load_model(source.model, running.device, torch.float32)
    tokenizer, corpora = load_tokenizer(source.model), pandas.read_parquet(source.corpora)
    for index, cell, made in running.cells():
        delta = load_delta(source.delta[index], digest)
        change = change_of(dict(model.named_parameters()), delta)
        with applied(model, delta):
            rows = measure_sharpness(model, tokenizer, corpora, sorted(delta), change, settings, cell.seed)
        with atomic(made["sharpness"]) as path:
            pandas.DataFrame(rows).assign(**vars(cell)).to_parquet(path, index=False)
        print(pandas.DataFrame(rows).to_string(index=False), flush=True)
