"""Licences: what is fetched must be open to the user before any job runs."""

KINDS = {"fetch_model": ("model", "models"), "fetch_source": ("dataset", "sources")}


def refuse_closed(jobs):
    """Stop before the first of ``jobs`` when a licence that one of them needs was not accepted."""
    from unlearning_robustness.workflow.licences import check_access
    from unlearning_robustness.errors import FetchError

    wanted = [
        (KINDS[job.rule.name][0], entry(KINDS[job.rule.name][1])(job.wildcards))
        for job in jobs
        if job.rule.name in KINDS
    ]
    try:
        check_access(wanted)
    except FetchError as error:
        raise WorkflowError(f"error: {error}")
