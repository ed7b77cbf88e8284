"""Rule figure."""

from entry import job

with job(snakemake):
    from unlearning_robustness.figures import FIGURES
    from unlearning_robustness.figures.style import save, style
    from unlearning_robustness.report.context import read_context

    wildcards = snakemake.wildcards
    source, place = snakemake.input, (wildcards.model, wildcards.benchmark)
    context = read_context(source.tables, snakemake.params.settings, *place, manifests=source.manifest)
    with style():
        save(FIGURES[wildcards.figure](context), *snakemake.output)
