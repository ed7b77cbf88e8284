"""Rule lm_eval_tasks."""

from pathlib import Path

from entry import job

with job(snakemake):
    import pandas

    from unlearning_robustness.evaluation.harness import write_tasks

    probes = pandas.read_parquet(snakemake.input.probes)
    names = write_tasks(probes, snakemake.wildcards.benchmark, Path(snakemake.output[0]))
    print("\n".join(names))
