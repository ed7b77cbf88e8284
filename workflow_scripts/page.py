"""Rule page."""

from entry import job

with job(snakemake):
    from unlearning_robustness.report import PAGES
    from unlearning_robustness.report.context import read_context
    from unlearning_robustness.report.markup import html_page
    from unlearning_robustness.runtime.manifest import atomic

    source, wildcards = snakemake.input, snakemake.wildcards
    place = wildcards.model, wildcards.benchmark
    beside = source.records, source.manifest, source.matrices
    context = read_context(source.tables, snakemake.params.settings, *place, *beside)
    text = PAGES[wildcards.page](context)
    for target, content in (
        (snakemake.output.markdown, text),
        (snakemake.output.html, html_page(wildcards.page, text)),
    ):
        with atomic(target) as path:
            path.write_text(content)
