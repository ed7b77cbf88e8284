"""Rule check_world."""

from pathlib import Path

from entry import job

with job(snakemake):
    from unlearning_robustness.data.world_check import check_models
    from unlearning_robustness.runtime.manifest import MANIFEST, read_json, write_json

    manifests = {Path(folder).name: read_json(Path(folder) / MANIFEST) for folder in snakemake.input.models}
    check_models(snakemake.wildcards.benchmark, snakemake.params.world, manifests)
    write_json(snakemake.output[0], {name: manifest["known"] for name, manifest in manifests.items()})
