"""Rule trigger_control."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.attacks.trigger_control import trigger_control
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.manifest import write_json

    source, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    model, _ = load_model(source.model, running.placement, running.dtype)
    asked, corpora = pandas.read_parquet(source.questions), pandas.read_parquet(source.corpora)
    place = (wildcards.model, wildcards.benchmark, wildcards.attack)
    tokenizer = load_tokenizer(source.model)
    control = trigger_control(model, tokenizer, place, params.attack, asked, corpora, params.batch_size, params.seed)
    write_json(snakemake.output[0], control)
