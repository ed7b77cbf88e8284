"""Rules tables_*: one for each group of tables."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.analysis import computed
    from unlearning_robustness.analysis.inputs import read_inputs
    from unlearning_robustness.report.markup import markdown
    from unlearning_robustness.runtime.manifest import atomic

    inputs = read_inputs(dict(snakemake.input.items()), snakemake.params.settings)
    tables = computed([Path(csv).stem for csv in snakemake.output.csv], inputs)
    for csv, text in zip(snakemake.output.csv, snakemake.output.markdown, strict=True):
        table = tables[Path(csv).stem]
        with atomic(csv) as path:
            table.to_csv(path, index=False)
        with atomic(text) as path:
            path.write_text(markdown(table))
