"""Rule build_open_questions."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.runtime.job import job

with job(snakemake):
    from unlearning_robustness.data.source_tables import Published
    from unlearning_robustness.runtime.manifest import atomic

    published = Published(snakemake.params.readers, snakemake.input.sources)
    table = published.open_questions(snakemake.params.benchmark["open"])
    with atomic(snakemake.output[0]) as path:
        table.to_parquet(path, index=False)
    print(table.groupby(["part", "role"]).size().to_string())
