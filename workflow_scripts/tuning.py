"""Rule tuning."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.evaluation.tuning import chosen_table
    from unlearning_robustness.runtime.manifest import atomic, read_json

    choices = {Path(path).parts[-3:-1]: read_json(path) for path in snakemake.input}
    table = chosen_table(choices, snakemake.params.config)
    with atomic(snakemake.output[0]) as path:
        table.to_csv(path, index=False)
    print(table.to_string(index=False))
