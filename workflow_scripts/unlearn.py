"""Rule unlearn."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.manifest import atomic, digest_of
    from unlearning_robustness.models.bank import load_bank
    from unlearning_robustness.models.delta import load_delta, save_delta
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.scoring.questions import QuestionScorer
    from unlearning_robustness.unlearning import unlearn

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.device, running.dtype)
    identity = digest_of([params.method, params.row, params.code, digest, snakemake.wildcards.seed])[:16]
    matched = {}
    if source.get("matched"):
        asked = pandas.read_parquet(source.questions[0]).query("role == 'forget' and split == 'select'")
        asked = asked.drop_duplicates("fact")
        scorer = QuestionScorer(load_tokenizer(source.model), asked, params.scoring["batch_size"])
        matched = {"matched": load_delta(source.matched[0], digest), "scorer": scorer}
    done = unlearn(
        model, params.method, params.row, load_bank(source.bank), int(snakemake.wildcards.seed),
        Path(params.scratch) / f"{identity}.safetensors", **matched,
    )  # fmt: skip
    save_delta(snakemake.output.delta, done.tensors, digest)
    with atomic(snakemake.output.history) as path:
        pandas.DataFrame(done.history).to_csv(path, index=False)
    running.provenance.write(snakemake.output.manifest, model_digest=digest, **done.facts)
