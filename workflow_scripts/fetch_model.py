"""Rule fetch_model."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.data.hub import online

    online()
    from unlearning_robustness.data.model_sources import fetch

    params, base = snakemake.params, snakemake.input.base
    fetch(params.model, Path(snakemake.output[0]), Path(params.scratch), Path(base[0]) if base else None)
