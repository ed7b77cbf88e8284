"""What the study will cost (see `make plan`); not part of the default target."""


rule plan:
    """Jobs, hours, memory, disk and download, from the models' shapes and the settings alone."""
    log:
        f"{paths.logs}/plan.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        config=CONFIG,
    script:
        "../workflow_scripts/plan.py"
