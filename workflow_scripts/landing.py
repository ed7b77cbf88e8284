"""Rule landing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.runtime.job import job

with job(snakemake):
    from unlearning_robustness.report.markup import rst
    from unlearning_robustness.runtime.manifest import atomic

    pages = [Path(path).read_text() for path in snakemake.input]
    with atomic(snakemake.output[0]) as path:
        path.write_text("\n".join(rst(page) for page in pages))
