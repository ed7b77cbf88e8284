"""Rule take_checkpoint."""

from pathlib import Path

from entry import job

with job(snakemake) as running:
    from unlearning_robustness.models.delta import save_delta
    from unlearning_robustness.models.difference import difference, whole
    from unlearning_robustness.runtime.manifest import link_or_copy, read_json

    TRAINED = ("steps", "weight_change")
    source, first = snakemake.input, None
    folders = Path(source.model), Path(source.checkpoint)
    for index, _, files in running.cells():
        if source.treated or first is None:
            treated = [Path(source.treated[index])] if source.treated else []
            tensors, facts = ({}, whole(*folders)) if snakemake.params.whole else difference(*folders, *treated)
            # What was trained here, and how far that moved the checkpoint.
            facts |= {name: read_json(source.treated_facts[index])[name] for name in TRAINED if treated}
            save_delta(files["delta"], tensors, facts["model_digest"])
            first = files["delta"]
        else:  # an untreated checkpoint is the same under every seed
            link_or_copy(first, files["delta"])
        running.provenance.write(files["manifest"], **facts)
