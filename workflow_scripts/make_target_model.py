"""Rule make_target_model."""

from pathlib import Path

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.data.model_folder import write_folder
    from unlearning_robustness.models.checkpoint import stored_type
    from unlearning_robustness.training.target_model import memorise, memorised_texts
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, settings = snakemake.input, snakemake.params.model["memorised"]
    model, digest = load_model(source.parent, running.device, running.dtype)
    tokenizer, corpora = load_tokenizer(source.parent), pandas.read_parquet(source.corpora)
    learned = memorise(model, tokenizer, memorised_texts(corpora, settings), settings)
    print(learned, flush=True)
    facts = {**running.provenance.facts, "parent_digest": digest, **learned}
    # The parent's number type, whatever this machine computes in.
    write_folder(model.to(stored_type(Path(source.parent))), tokenizer, Path(snakemake.output[0]), facts)
