"""Rule pretrain."""

import shutil
from pathlib import Path

from entry import job

with job(snakemake, snakemake.params.model) as running:
    from unlearning_robustness.data.model_checks import check_model
    from unlearning_robustness.data.model_folder import write_folder, write_manifest
    from unlearning_robustness.data.world import World
    from unlearning_robustness.data.world_check import known_shares
    from unlearning_robustness.data.world_tokenizer import train_tokenizer
    from unlearning_robustness.runtime.manifest import digest_of
    from unlearning_robustness.scoring.encoding import encode_texts
    from unlearning_robustness.training.pretraining import Documents, first_model, pretrain

    settings, benchmark = snakemake.params.model["generated"], snakemake.params.benchmark
    folder, scratch = Path(snakemake.output[0]), Path(snakemake.params.scratch)
    world = World(benchmark["world"])
    documents = Documents.of(world)
    tokenizer = train_tokenizer(documents.texts, world, settings["shape"]["vocab_size"])
    model = first_model(settings, len(tokenizer)).to(running.device, running.dtype)
    tokenised = encode_texts(tokenizer, documents.texts, settings["positions"])
    # Of other settings, code or number type an interrupted run leaves nothing to go on from.
    state = scratch / f"{digest_of([settings, benchmark, snakemake.params.code, running.dtype])}.safetensors"
    facts = {"settings": settings, **pretrain(model, documents, tokenised, settings, state)}
    facts["known"] = known_shares(model.eval(), tokenizer, benchmark, snakemake.params.batch_size)
    print(facts, flush=True)
    write_folder(model.float(), tokenizer, folder, {})
    write_manifest(folder, {**running.provenance.facts, **facts, **check_model(folder)})
    shutil.rmtree(scratch, ignore_errors=True)
