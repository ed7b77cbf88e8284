"""Rule attack."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from functools import partial

    import pandas

    from unlearning_robustness.attacks.run_attack import attack_cell
    from unlearning_robustness.attacks.search import with_choice
    from unlearning_robustness.config.kinds import ATTACKS, facts_of
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.manifest import file_digest
    from unlearning_robustness.scoring.records import write

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.placement, running.dtype)
    asked, corpora = pandas.read_parquet(source.questions), pandas.read_parquet(source.corpora)
    tokenizer, batch_size = load_tokenizer(source.model), params.scoring["batch_size"]
    attack, entry = snakemake.wildcards.attack, with_choice(params.attack, source.search)
    drawn, done = facts_of(ATTACKS, entry["kind"]).draws, {}
    for index, cell, files in running.cells():
        # Where nothing is drawn, equal weights are attacked alike under every seed.
        run = cell.seed if drawn else file_digest(source.delta[index])
        if run not in done:
            with applied(model, load_delta(source.delta[index], digest)) as original:
                material = (cell, attack, entry, asked, corpora, batch_size)
                reference = partial(applied, model, original)
                asking = (params.scoring["splits"], params.scoring["precision"])
                done = {run: attack_cell(model, tokenizer, *material, reference, *asking)}
        parts, facts = done[run]
        write(files["records"], [part.assign(seed=cell.seed) for part in parts])
        running.provenance.write(files["manifest"], model_digest=digest, **facts)
