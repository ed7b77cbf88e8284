"""Unlearning robustness: data -> unlearn -> attack -> evaluate -> tables -> figures -> report."""

from snakemake.utils import min_version

min_version("9.18")


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"
include: "rules/wanted.smk"
include: "rules/memory.smk"
include: "rules/start.smk"
include: "rules/access.smk"
include: "rules/data.smk"
include: "rules/unlearn.smk"
include: "rules/attack.smk"
include: "rules/evaluate.smk"
include: "rules/measure.smk"
include: "rules/figures.smk"
include: "rules/searches.smk"
include: "rules/tune.smk"
include: "rules/plan.smk"


report: LANDING


onstart:
    refuse_closed(workflow.dag.needrun_jobs())
    # On a cluster there is no number of cores, and asking for it fails; `make plan` says what a study costs there.
    if workflow.resource_settings.cores:
        print(startup_message(list(workflow.dag.needrun_jobs()), workflow.cores))


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        FINDINGS,
        LANDING,


rule records:
    """Everything that needs a model; what follows is made of these files alone."""
    input:
        RECORDS,
        MEASURES,


rule figures:
    """Tables, figures and findings, made of records alone (see `make figures`)."""
    input:
        rules.all.input,
