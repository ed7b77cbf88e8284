"""Rule landing."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.report.markup import rst
    from unlearning_robustness.runtime.manifest import atomic

    pages = [Path(path).read_text() for path in snakemake.input]
    with atomic(snakemake.output[0]) as path:
        path.write_text("\n".join(rst(page) for page in pages))
