"""Rule attack."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.attacks.campaign import attack_cell
    from unlearning_robustness.config.cells import cell_of
    from unlearning_robustness.scoring.records import write
    from unlearning_robustness.models.delta import apply_delta, load_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.device, running.dtype)
    apply_delta(model, load_delta(source.delta, digest))
    cell, attack = cell_of(snakemake.wildcards), snakemake.wildcards.attack
    asked, corpora = pandas.read_parquet(source.questions), pandas.read_parquet(source.corpora)
    tokenizer, batch_size = load_tokenizer(source.model), params.scoring["batch_size"]
    parts, cost = attack_cell(model, tokenizer, cell, attack, params.attack, asked, corpora, batch_size)
    write(snakemake.output.records, parts)
    running.provenance.write(snakemake.output.manifest, model_digest=digest, **cost)
