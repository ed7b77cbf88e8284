"""Rule published."""

from entry import job

with job(snakemake):
    from unlearning_robustness.report.markup import page
    from unlearning_robustness.report.published import published_page
    from unlearning_robustness.analysis.table_files import read_tables
    from unlearning_robustness.runtime.manifest import atomic

    place = snakemake.wildcards
    table = read_tables(snakemake.input.tables, place.model, place.benchmark)["published"]
    text = published_page(table, snakemake.params.config)
    for target, content in ((snakemake.output.markdown, text), (snakemake.output.page, page("published", text))):
        with atomic(target) as path:
            path.write_text(content)
