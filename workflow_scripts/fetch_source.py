"""Rule fetch_source."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.runtime.job import job

with job(snakemake):
    from unlearning_robustness.data.hub import online

    online()
    from unlearning_robustness.data.sources import fetch

    fetch(snakemake.params.source, Path(snakemake.output[0]), Path(snakemake.params.scratch))
