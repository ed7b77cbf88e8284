"""Rule unlearn."""

from entry import job

with job(snakemake, snakemake.params.model, snakemake.params.method["parallel"]["processes"]) as running:
    import pandas

    from unlearning_robustness.runtime.launcher import is_main
    from unlearning_robustness.runtime.manifest import atomic, read_json
    from unlearning_robustness.engine.activation_cache import load_caches
    from unlearning_robustness.models.delta import load_delta, save_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.scoring.knowledge import KnowledgeScorer
    from unlearning_robustness.scoring.questions import select_questions
    from unlearning_robustness.training.matching import Matched
    from unlearning_robustness.training.unlearning import layer_divider, layers_needed, unlearn

    source, params, scorer = snakemake.input, snakemake.params, None
    needed, divide = layers_needed(params.method, params.row), layer_divider(params.method, running.device)
    model, digest = load_model(source.model, running.device, running.dtype, needed, divide)
    cache = load_caches(source.cache)
    if source.questions:
        asked = select_questions(pandas.read_parquet(source.questions[0]), "forget")
        scorer = KnowledgeScorer.of(load_tokenizer(source.model), asked, params.batch_size)
    for index, cell, files in running.cells():
        matched = None
        if source.matched:
            matched = Matched(load_delta(source.matched[index], digest), read_json(source.matched_facts[index]))
        scratch = files["delta"].with_name("training.safetensors")
        done = unlearn(model, params.method, params.row, cache, cell.seed, scratch, matched, scorer)
        if is_main():
            save_delta(files["delta"], done.tensors, digest)
            with atomic(files["history"]) as path:
                pandas.DataFrame(done.history).to_csv(path, index=False)
            running.provenance.write(files["manifest"], model_digest=digest, **done.facts)
