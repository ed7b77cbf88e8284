"""Rule export."""

from pathlib import Path

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from unlearning_robustness.data.model_folder import write_folder
    from unlearning_robustness.models.delta import apply_delta, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    model, digest = load_model(snakemake.input.model, "cpu", running.dtype)
    apply_delta(model, load_delta(snakemake.input.delta, digest))
    facts = {**running.provenance.facts, "parent_digest": digest}
    write_folder(model, load_tokenizer(snakemake.input.model), Path(snakemake.output[0]), facts)
