"""What is said before the first job: functions for the workflow's onstart handler."""


def named_by(times):
    """The job whose measured cost lies at ``times``, named as estimates name it."""
    return times.partition("benchmark_times/")[2].removesuffix(".jsonl")


def startup_message(jobs, cores):
    """One line for the person who started ``jobs``; minutes for models that are small and whose shape is known."""
    from unlearning_robustness.workflow.startup_message import size_line, start_line

    if not all(0 < size_of(model) <= SMALL for model in STUDY["models"]):
        return f"{size_line(STUDY)}; `make plan` says how long they take"
    # Here, since what a domain holds takes seconds to find out and every job reads this file.
    from unlearning_robustness.estimate.domains import domains
    from unlearning_robustness.estimate.jobs import jobs_of
    from unlearning_robustness.models.shape import shapes_of

    left = [job.benchmark and named_by(str(job.benchmark)) for job in jobs]
    found = jobs_of(CONFIG, shapes_of(CONFIG, Path("resources") / "models"), domains())
    return start_line(STUDY, found, left, cores)
