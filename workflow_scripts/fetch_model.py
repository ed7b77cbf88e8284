"""Rule fetch_model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.runtime.job import job

with job(snakemake):
    from unlearning_robustness.data.hub import online

    online()
    from unlearning_robustness.data.model_sources import fetch

    fetch(snakemake.params.model, Path(snakemake.output[0]), Path(snakemake.params.scratch))
