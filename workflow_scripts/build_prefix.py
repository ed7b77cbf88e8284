"""Rule build_prefix."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.models.float32_weights import scored_in
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.scoring.questions import QuestionScorer

    source, params = snakemake.input, snakemake.params
    model, _ = load_model(source.model, running.placement, running.dtype)
    probes = pandas.read_parquet(source.probes)
    scorer = QuestionScorer(load_tokenizer(source.model), probes, params.batch_size)
    with scored_in(model, params.precision):
        scorer.keep_prefix(model, params.first_layer)
    scorer.save_prefix(snakemake.output[0])
