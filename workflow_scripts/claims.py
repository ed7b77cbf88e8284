"""Rule claims."""

from entry import job

with job(snakemake):
    from unlearning_robustness.report.claims import claims_page, register
    from unlearning_robustness.report.markup import page
    from unlearning_robustness.analysis.table_files import read_tables
    from unlearning_robustness.runtime.manifest import atomic

    place, claims = snakemake.wildcards, snakemake.params.claims
    tables = read_tables(snakemake.input.tables, place.model, place.benchmark)
    text = claims_page(claims, register(claims, tables))
    for target, content in ((snakemake.output.markdown, text), (snakemake.output.page, page("claims", text))):
        with atomic(target) as path:
            path.write_text(content)
