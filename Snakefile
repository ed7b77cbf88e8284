"""Unlearning robustness: data -> unlearn -> attack -> evaluate -> tables -> figures -> report."""

from snakemake.utils import min_version

min_version("9.18")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/unlearn.smk"
include: "rules/attack.smk"
include: "rules/evaluate.smk"
include: "rules/measure.smk"
include: "rules/figures.smk"
include: "rules/publish.smk"
include: "rules/tune.smk"
include: "rules/plan.smk"


# Snakemake looks for it beside the rules, and it is made where the study runs.
report: str(Path(paths.prefixed(paths.landing)).absolute())


onstart:
    planned = all(job.rule.name == "plan" for job in workflow.dag.needrun_jobs())
    left = [str(job.benchmark or "") for job in workflow.dag.needrun_jobs()]
    try:
        fetched = fetched_entries(workflow.dag.needrun_jobs())
        check_access(fetched)
        check_architectures(CONFIG, fetched)
        for sizes in read_own_data(CONFIG, fetched):
            print(sizes)
        # Tables and figures alone cost nothing, whatever they can decide.
        if any(left) and (line := claims_line(study)):
            print(line)
    except StudyError as error:
        show_traceback(error)
        raise WorkflowError(f"error: {error}")
    # On a cluster there is no number of cores, and asking for it fails; `make plan` says what a study costs there.
    # Nothing of the study runs where only its plan is asked for.
    if planned:
        print(size_line(CONFIG["study"]))
    elif workflow.resource_settings.cores:
        print(startup_message(study, left, workflow.cores))


rule all:
    default_target: True
    input:
        study.report.files,


rule records:
    """Everything that needs a model; tables, figures and pages read these files alone."""
    input:
        targets.records,
        targets.searches,
        targets.cell_measures,


rule figures:
    """Tables, figures and findings, from records alone (see `make figures`), the papers' ones by the papers' names."""
    input:
        rules.all.input,
        study.papers.files,
