"""Rule trajectory."""

from entry import job

with job(snakemake, snakemake.params.model, snakemake.params.method["parallel"]["processes"]) as running:
    import pandas

    from unlearning_robustness.engine.activation_cache import load_caches
    from unlearning_robustness.evaluation.trajectory import Trajectory
    from unlearning_robustness.models.delta import load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.runtime.launcher import is_main
    from unlearning_robustness.runtime.manifest import atomic

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.device, running.dtype)
    tokenizer, cache, probes = (
        load_tokenizer(source.model),
        load_caches(source.cache),
        pandas.read_parquet(source.probes),
    )
    corpora = pandas.read_parquet(source.corpora[0]) if source.corpora else None
    asking = (params.settings, params.batch_size, params.attack, corpora, params.precision)
    measured = Trajectory(model, tokenizer, probes, *asking)
    for index, cell, files in running.cells():
        table = measured.of(params.method, params.row, cache, load_delta(source.delta[index], digest), cell)
        if is_main():
            with atomic(files["records"]) as path:
                table.to_parquet(path, index=False, compression="zstd")
