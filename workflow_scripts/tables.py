"""Rule tables."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.analysis.attack_costs import read_attack_costs
    from unlearning_robustness.analysis.landscape import read_landscapes
    from unlearning_robustness.report.markup import markdown
    from unlearning_robustness.analysis.memorisation import read_memorisation
    from unlearning_robustness.analysis.sharpness import read_sharpness
    from unlearning_robustness.analysis.tables import all_tables
    from unlearning_robustness.analysis.theory import read_latents
    from unlearning_robustness.runtime.manifest import atomic
    from unlearning_robustness.scoring.records import ANALYSED, read, read_measures

    source = snakemake.input
    records, measures = read(source.records, ANALYSED), read_measures(source.measures)
    beside = {
        "latents": read_latents(source.latents),
        "sharpness": read_sharpness(source.sharpness),
        "landscape": read_landscapes(source.landscapes),
        "memorisation": read_memorisation(source.memorisation),
        "attack_costs": read_attack_costs(source.attacks),
    }
    tables = all_tables(records, measures, beside, snakemake.params.config)
    for csv, text in zip(snakemake.output.csv, snakemake.output.markdown, strict=True):
        table = tables[Path(csv).stem]
        with atomic(csv) as path:
            table.to_csv(path, index=False)
        with atomic(text) as path:
            path.write_text(markdown(table))
