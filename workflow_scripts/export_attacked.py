"""Rule export_attacked."""

from pathlib import Path

from entry import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.analysis.matrix import chosen_point
    from unlearning_robustness.attacks.attacked_weights import weights_at
    from unlearning_robustness.attacks.run_attack import attack_input
    from unlearning_robustness.attacks.search import with_choice
    from unlearning_robustness.data.model_folder import write_with_delta
    from unlearning_robustness.models.delta import applied, load_delta, save_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.scoring.records import read

    source, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    point = chosen_point(read([source.unattacked, source.attacked]), wildcards.attack, params.analysis)
    print(f"at {point}", flush=True)
    model, digest = load_model(source.model, running.placement, running.dtype)
    asked, corpora = pandas.read_parquet(source.questions), pandas.read_parquet(source.corpora)
    delta = load_delta(source.delta, digest)
    with applied(model, delta) as original:
        material = (model, load_tokenizer(source.model), int(wildcards.seed), asked, corpora, params.batch_size)
        attack = attack_input(*material, lambda: applied(model, original))
        entry = with_choice(params.attack, source.search)
        tensors = delta | weights_at(attack, wildcards.attack, entry, point)
    scratch = Path(params.scratch) / "delta.safetensors"
    save_delta(scratch, tensors, digest)
    facts = {**running.provenance.facts, "attack_point": point}
    write_with_delta(Path(source.model), scratch, Path(snakemake.output[0]), facts)
    scratch.unlink()
