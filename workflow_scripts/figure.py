"""Rule figure."""

from entry import job

with job(snakemake):
    from unlearning_robustness.figures import FIGURES
    from unlearning_robustness.figures.style import save, style
    from unlearning_robustness.report.context import read_context

    wildcards = snakemake.wildcards
    context = read_context(snakemake.input, snakemake.params.settings, wildcards.model, wildcards.benchmark)
    with style():
        save(FIGURES[wildcards.figure](context), snakemake.output.svg, snakemake.output.pdf)
