"""Rule build_prefix."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.runtime.job import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.scoring.questions import QuestionScorer

    source, params = snakemake.input, snakemake.params
    model, _ = load_model(source.model, running.device, running.dtype)
    probes = pandas.read_parquet(source.probes)
    scorer = QuestionScorer(load_tokenizer(source.model), probes, params.scoring["batch_size"])
    scorer.keep_prefix(model, params.first_layer)
    scorer.save_prefix(snakemake.output[0])
