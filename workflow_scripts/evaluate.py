"""Rule evaluate."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.config.cells import cell_of
    from unlearning_robustness.evaluation.prose import prose_perplexity
    from unlearning_robustness.scoring.records import label, write
    from unlearning_robustness.manifest import read_json, write_json
    from unlearning_robustness.models.delta import apply_delta, load_delta, lowest_layer
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.progress import Progress
    from unlearning_robustness.scoring.questions import QuestionScorer

    source, params = snakemake.input, snakemake.params
    model, digest = load_model(source.model, running.device, running.dtype)
    delta = load_delta(source.delta, digest)
    apply_delta(model, delta)
    tokenizer = load_tokenizer(source.model)
    scorer = QuestionScorer(tokenizer, pandas.read_parquet(source.probes), params.scoring["batch_size"])
    scorer.load_prefix(source.prefix, lowest_layer(delta), running.device)
    records = scorer.records(model, Progress("questions", len(scorer.packed)))
    write(snakemake.output.records, [label(records, cell_of(snakemake.wildcards), "none")])
    texts = pandas.read_parquet(source.corpora).query("corpus == 'perplexity'")["text"]
    trained = read_json(source.cell)
    measures = {"perplexity": prose_perplexity(model, tokenizer, list(texts), params.perplexity_tokens)}
    kept = ("steps", "weight_change", "relative_noise_scale", "relative_coefficient", "cpu_seconds", "matched_accuracy")
    write_json(snakemake.output.measures, measures | {key: trained[key] for key in kept if key in trained})
    running.provenance.write(snakemake.output.manifest, model_digest=digest)
