"""Rule reference."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake) as running:
    from unlearning_robustness.manifest import read_json
    from unlearning_robustness.models.delta import save_delta

    digest = read_json(Path(snakemake.input.model) / "manifest.json")["digest"]
    save_delta(snakemake.output.delta, {}, digest)
    facts = {"model_digest": digest, "steps": 0, "weight_change": 0.0, "trained_tensors": []}
    running.provenance.write(snakemake.output.manifest, **facts)
