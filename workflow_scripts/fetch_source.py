"""Rule fetch_source."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.data.hub import online

    online()
    from unlearning_robustness.data.sources import fetch

    fetch(snakemake.params.source, Path(snakemake.output[0]), Path(snakemake.params.scratch))
