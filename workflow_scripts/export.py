"""Rule export."""

from pathlib import Path

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from unlearning_robustness.data.model_folder import write_with_delta

    source, delta = Path(snakemake.input.model), Path(snakemake.input.delta)
    write_with_delta(source, delta, Path(snakemake.output[0]), running.provenance.facts)
