"""Rule selection."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake):
    import pandas

    from unlearning_robustness.evaluation.selection import chosen_table
    from unlearning_robustness.manifest import atomic

    scores = {}
    for path in map(Path, snakemake.input):
        scores.setdefault(path.parts[-3:-1], []).append(pandas.read_csv(path))
    joined = {key: pandas.concat(tables) for key, tables in scores.items()}
    table = chosen_table(joined, snakemake.params.config)
    with atomic(snakemake.output[0]) as path:
        table.to_csv(path, index=False)
    print(table.to_string(index=False))
