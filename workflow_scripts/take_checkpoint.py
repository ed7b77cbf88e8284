"""Rule take_checkpoint."""

from pathlib import Path

from entry import job

with job(snakemake) as running:
    from unlearning_robustness.models.delta import save_delta
    from unlearning_robustness.models.difference import difference, whole
    from unlearning_robustness.runtime.manifest import link_or_copy

    first = None
    for _, _, files in running.cells():
        if first is None:
            folders = Path(snakemake.input.model), Path(snakemake.input.checkpoint)
            tensors, facts = ({}, whole(*folders)) if snakemake.params.whole else difference(*folders)
            save_delta(files["delta"], tensors, facts["model_digest"])
            first = files["delta"]
        else:  # the same under every seed
            link_or_copy(first, files["delta"])
        running.provenance.write(files["manifest"], **facts)
