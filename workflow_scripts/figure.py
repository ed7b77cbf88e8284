"""Rule figure."""

from entry import job

with job(snakemake):
    from unlearning_robustness.figures import FIGURES
    from unlearning_robustness.figures.context import read_context
    from unlearning_robustness.figures.style import save, style

    with style():
        wildcards = snakemake.wildcards
        context = read_context(snakemake.input.tables, snakemake.params.config, wildcards.model, wildcards.benchmark)
        save(FIGURES[wildcards.figure](context), snakemake.output.svg, snakemake.output.pdf)
