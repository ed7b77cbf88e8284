"""Rule plan."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake):
    from unlearning_robustness.data.questions import DOMAINS
    from unlearning_robustness.estimate.jobs import Domain, jobs_of
    from unlearning_robustness.estimate.shape import shape_of
    from unlearning_robustness.estimate.table import NOTE, models_of, table_of

    config = snakemake.params.config
    names, folders = config["study"]["models"], Path("resources") / "models"
    # A model that is made from another has its shape.
    origins = {name: config["models"][name].get("from", name) for name in names}
    shapes = {name: shape_of(at, config["models"][at], folders / at) for name, at in origins.items()}
    domains = {}
    for name, domain in DOMAINS.items():
        relations = domain.relations()
        facts = sum(len(relation.facts) for relation in relations)
        domains[name] = Domain(len(domain.entities()), facts, max(len(relation.templates) for relation in relations))
    print(table_of(jobs_of(config, shapes, domains)))
    print(models_of(config["models"], shapes, {name for name in names if (folders / origins[name]).is_dir()}))
    print(NOTE)
