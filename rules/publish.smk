"""A study's records, compact, for a repository; `make figures FROM=published` goes on from them without a model."""


rule publish:
    """Everything that tables, figures and pages read, in two Parquet files and a manifest."""
    input:
        study.report.read_files(rules.build_questions.output.manifest, rules.check_questions.output[0]),
    output:
        expand(
            "results/published/{name}/{file}",
            name=CONFIG["study"]["name"],
            file=["records.parquet", "files.parquet", "manifest.json"],
        ),
    log:
        f"{paths.logs}/publish.log",
    localrule: True
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        tree=lambda wildcards: paths.tree,
        study=CONFIG["study"]["name"],
    script:
        "../workflow_scripts/publish.py"
