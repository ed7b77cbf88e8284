"""Rule search."""

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from functools import partial

    import pandas

    from unlearning_robustness.attacks.search import search_cell
    from unlearning_robustness.models.delta import applied, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.manifest import read_json

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.placement, running.dtype)
    asked, corpora = pandas.read_parquet(source.questions), pandas.read_parquet(source.corpora)
    recorded = read_json(source.reference[0]) if source.reference else None
    with applied(model, load_delta(source.delta, digest)) as original:
        material = (params.attack, params.search, asked, corpora, params.batch_size)
        reference = partial(applied, model, original)
        result = search_cell(model, load_tokenizer(source.model), params.seed, *material, reference, recorded)
    running.provenance.write(snakemake.output[0], model_digest=digest, **result)
