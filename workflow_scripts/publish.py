"""Rule publish."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness import __version__
    from unlearning_robustness.evaluation.publication import pack

    folder = Path(snakemake.output[0]).parent
    pack(snakemake.input, Path(snakemake.params.tree), folder, study=snakemake.params.study, version=__version__)
