"""Rule evaluate."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.scoring.perplexity import prose_perplexity
    from unlearning_robustness.runtime.manifest import file_digest, read_json, write_json
    from unlearning_robustness.models.delta import applied, load_delta, lowest_layer
    from unlearning_robustness.models.float32_weights import scored_in
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.progress import Progress
    from unlearning_robustness.scoring.questions import QuestionScorer
    from unlearning_robustness.scoring.records import label, write

    source, params, answering = snakemake.input, snakemake.params, None
    model, digest = load_model(source.model, running.placement, running.dtype)
    tokenizer = load_tokenizer(source.model)
    scorer = QuestionScorer(tokenizer, pandas.read_parquet(source.probes), params.batch_size)
    texts = list(pandas.read_parquet(source.corpora).query("corpus == 'perplexity'")["text"])
    for index, cell, files in running.cells():
        delta, trained = load_delta(source.delta[index], digest), read_json(source.cell[index])
        # The prefix is that of the cell's model, which a checkpoint of other shapes has nothing in common with.
        lowest = -1 if trained.get("whole") else lowest_layer(delta)
        scorer.load_prefix(source.prefix, lowest, running.device)
        with applied(model, delta), scored_in(model, params.precision):
            # Equal weights, as the reference's or a checkpoint's under every seed, answer alike.
            if answering != (answering := file_digest(source.delta[index])):
                answered = scorer.records(model, Progress("questions", len(scorer.packed)))
                perplexity = prose_perplexity(model, tokenizer, texts, params.perplexity_tokens)
        write(files["records"], [label(answered, cell, "none")])
        kept = {key: value for key, value in trained.items() if key in params.measures}
        write_json(files["measures"], {"perplexity": perplexity, **kept})
        running.provenance.write(files["manifest"], model_digest=digest, scoring=scorer.facts)
