"""Rule lm_eval_tasks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.runtime.job import job

with job(snakemake):
    import pandas

    from unlearning_robustness.evaluation.harness import write_tasks

    probes = pandas.read_parquet(snakemake.input.probes)
    names = write_tasks(probes, snakemake.wildcards.benchmark, Path(snakemake.output[0]))
    print("\n".join(names))
