"""Rule paper_figure."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.runtime.manifest import link_or_copy

    for source, target in zip(snakemake.input, snakemake.output, strict=True):
        link_or_copy(Path(source), Path(target))
