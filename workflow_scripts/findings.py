"""Rule findings."""

from entry import job

with job(snakemake):
    from unlearning_robustness.report.examples import example_answers, example_page
    from unlearning_robustness.report.findings import Findings
    from unlearning_robustness.report.markup import page
    from unlearning_robustness.report.summary import summary, summary_page
    from unlearning_robustness.analysis.table_files import read_tables
    from unlearning_robustness.runtime.manifest import atomic, read_json
    from unlearning_robustness.scoring.records import read

    config, output, place = snakemake.params.config, snakemake.output, snakemake.wildcards
    tables = read_tables(snakemake.input.tables, place.model, place.benchmark)
    records = read(snakemake.input.records).query("model == @place.model and benchmark == @place.benchmark")
    analysis = config["analysis"]
    answers = example_answers(records, config, analysis["examples"], analysis["seed"])
    findings = Findings(tables, config, read_json(snakemake.input.manifest))
    main_table = summary_page(summary(tables, config))
    pages = {"findings": findings.markdown(), "summary": main_table, "examples": example_page(answers)}
    for (name, text), markdown in zip(pages.items(), output.markdown, strict=True):
        for target, content in ((markdown, text), (output[name], page(name, text))):
            with atomic(target) as path:
                path.write_text(content)
