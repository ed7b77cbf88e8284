"""Rule plan."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.estimate.claims import claims_of
    from unlearning_robustness.estimate.domains import domains
    from unlearning_robustness.estimate.jobs import jobs_of
    from unlearning_robustness.models.shape import shapes_of
    from unlearning_robustness.estimate.table import NOTE, models_of, table_of

    config, folder = snakemake.params.config, Path("resources") / "models"
    shapes = shapes_of(config, folder)
    here = {name for name in shapes if (folder / config["models"][name].get("from", name)).is_dir()}
    counted = domains()
    print(table_of(jobs_of(config, shapes, counted)))
    print(models_of(config["models"], shapes, here))
    print(f"{NOTE}\n")
    print(claims_of(config, counted))
