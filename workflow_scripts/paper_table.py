"""Rule paper_table."""

from entry import job

with job(snakemake):
    from unlearning_robustness.report.context import read_context
    from unlearning_robustness.report.paper_tables import CAPTIONS, booktabs, paper_table
    from unlearning_robustness.runtime.manifest import atomic

    wildcards, name = snakemake.wildcards, snakemake.wildcards.paper_table
    context = read_context(snakemake.input, snakemake.params.settings, wildcards.model, wildcards.benchmark)
    with atomic(snakemake.output[0]) as path:
        path.write_text(booktabs(paper_table(name, context), CAPTIONS[name], name))
