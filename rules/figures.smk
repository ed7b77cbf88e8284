"""Tables, figures and pages: queries over records, without a model or a GPU."""

for group in study.report.groups:

    rule:
        # Estimates with their intervals, as csv and markdown: the tables that query the same files.
        name:
            f"tables_{group}"
        input:
            **study.report.group_input(group),
        output:
            csv=study.report.group_tables(group),
            markdown=[path.replace(".csv", ".md") for path in study.report.group_tables(group)],
        log:
            f"{paths.logs}/tables/{group}.log",
        localrule: True
        conda:
            "../envs/figures.yaml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            settings=study.report.group_settings(group),
            code=study.report.group_code(group),
        script:
            "../workflow_scripts/tables.py"


rule figure:
    """One figure of one model and benchmark."""
    input:
        tables=study.report.figure_tables,
        manifest=study.report.figure_manifest(rules.build_questions.output.manifest),
    output:
        svg=report(
            study.report.figure,
            caption="../report/caption.rst",
            category="2. Figures",
            labels={
                "model": "{model}",
                "benchmark": "{benchmark}",
                "figure": "{figure}",
            },
        ),
        pdf=study.report.figure.replace(".svg", ".pdf"),
        png=study.report.figure.replace(".svg", ".png"),
    log:
        f"{paths.logs}/figure/{{model}}/{{benchmark}}/{{figure}}.log",
    wildcard_constraints:
        figure="|".join(CONFIG["study"]["figures"]),
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=study.report.figure_settings,
        caption=study.report.figure_caption,
        code=study.report.figure_code,
    script:
        "../workflow_scripts/figure.py"


rule paper_figure:
    """A figure that a paper has too, by the paper's name and number."""
    input:
        study.papers.figure_files,
    output:
        multiext(study.papers.figure, ".svg", ".pdf", ".png"),
    log:
        f"{paths.logs}/paper_figure/{{model}}/{{benchmark}}/{{paper}}-{{figure}}.log",
    wildcard_constraints:
        paper="|".join(["none", *study.papers.figures.values()]),
        figure="|".join(["none", *study.papers.figures]),
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    script:
        "../workflow_scripts/paper_figure.py"


rule paper_table:
    """A table that a paper has too, for LaTeX."""
    input:
        study.papers.table_inputs,
    output:
        study.papers.table,
    log:
        f"{paths.logs}/paper_table/{{model}}/{{benchmark}}/{{paper_table}}.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=study.report.page_settings,
        code=study.papers.table_code,
    script:
        "../workflow_scripts/paper_table.py"


rule page:
    """One page about one model and benchmark: findings, the main table, examples, claims, published numbers."""
    input:
        tables=study.report.page_tables,
        records=study.report.page_beside("records", study.report.recorded["answers"]),
        manifest=study.report.page_beside(
            "manifest", [rules.build_questions.output.manifest, rules.check_questions.output[0]]
        ),
        matrices=study.report.page_beside("matrices", study.report.matrices),
    output:
        html=report(
            study.report.page,
            caption="../report/caption.rst",
            category="1. Findings",
            labels=study.report.page_labels,
        ),
        markdown=study.report.page.replace(".html", ".md"),
    log:
        f"{paths.logs}/page/{{model}}/{{benchmark}}/{{page}}.log",
    wildcard_constraints:
        page="|".join(study.report.pages),
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=study.report.page_settings,
        caption=study.report.page_caption,
        code=study.report.page_code,
    script:
        "../workflow_scripts/page.py"


rule index:
    """The study on one page that needs no network: its answer, charts, tables, and every single answer."""
    input:
        tables=[study.report.table.format(table=name) for names in study.report.groups.values() for name in names],
        figures=[
            path
            for name in CONFIG["study"]["figures"]
            for path in targets.per_benchmark(study.report.figure, figure=name)
        ],
        records=targets.records,
        jobs=targets.attack_manifests,
        manifests=[
            *targets.per_benchmark(rules.build_questions.output.manifest),
            *targets.per_benchmark(rules.check_questions.output[0]),
        ],
    output:
        html=report(
            paths.index,
            caption="../report/index.rst",
            category="0. The study on one page",
        ),
        answers=directory(paths.answers),
    log:
        f"{paths.logs}/index.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        settings=study.report.index_settings,
        times=paths.prefixed(paths.times),
        code=code_digest("page.build"),
        assets=assets_digest(),
    script:
        "../workflow_scripts/index.py"


rule landing:
    """The report's first page: the findings of every model and benchmark, and how to read the rest."""
    input:
        targets.per_benchmark(study.report.page.replace(".html", ".md"), page="findings"),
        local(f"{ROOT}/report/guide.md"),
    output:
        paths.landing,
    log:
        f"{paths.logs}/landing.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_digest("report.markup"),
    script:
        "../workflow_scripts/landing.py"
