"""Rule reference."""

from pathlib import Path

from entry import job

with job(snakemake) as running:
    from unlearning_robustness.runtime.manifest import read_json
    from unlearning_robustness.models.delta import save_delta

    digest = read_json(Path(snakemake.input.model) / "manifest.json")["digest"]
    facts = {"model_digest": digest, "steps": 0, "weight_change": 0.0, "trained_tensors": []}
    for _, _, files in running.cells():
        save_delta(files["delta"], {}, digest)
        running.provenance.write(files["manifest"], **facts)
