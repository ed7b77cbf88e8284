"""Cells without an attack: every probe of the test split, and perplexity."""

# What a cell's own manifest says and tables show.
MEASURED = [
    "steps",
    "weight_change",
    "relative_noise_scale",
    "relative_coefficient",
    "forwards",
    "backwards",
    "tokens",
    "operations",
    "cpu_seconds",
    "peak_memory_mb",
    "matched_value",
    "own_value",
    "value_error",
    "equal",
    "conflicting_steps",
    *COSINES,
    "acts",
]


rule build_prefix:
    """The probed questions up to the first layer that any method of the study trains; variants may lie lower."""
    input:
        model=parameters.model_folder,
        probes=rules.build_probes.output[0],
    output:
        f"{paths.benchmark}/prefix.safetensors",
    log:
        f"{paths.logs}/build_prefix/{{model}}/{{benchmark}}.log",
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.with_model(4000)),
        runtime=growing(60),
    params:
        model=parameters.model,
        first_layer=parameters.first_layer(),
        batch_size=CONFIG["scoring"]["batch_size"],
        precision=CONFIG["scoring"]["precision"],
        code=code_digest("scoring.questions", "models.float32_weights"),
    script:
        "../workflow_scripts/build_prefix.py"


rule evaluate:
    """Ask unlearned models every probed question, and measure perplexity."""
    input:
        model=parameters.cell_folder,
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
        cell=paths.each_seed(f"{paths.delta}/manifest.json"),
        corpora=rules.build_corpora.output[0],
        probes=rules.build_probes.output[0],
        prefix=rules.build_prefix.output[0],
    output:
        records=paths.each_seed(f"{paths.records}/none/records.parquet"),
        measures=paths.each_seed(f"{paths.records}/none/measures.json"),
        manifest=paths.each_seed(f"{paths.records}/none/manifest.json"),
    log:
        f"{paths.logs}/evaluate/{paths.job}.log",
    benchmark:
        f"{paths.times}/evaluate/{paths.job}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.with_model(4000)),
        runtime=growing(60),
    params:
        model=parameters.model,
        batch_size=CONFIG["scoring"]["batch_size"],
        precision=CONFIG["scoring"]["precision"],
        measures=MEASURED,
        perplexity_tokens=parameters.perplexity_tokens,
        seeds=parameters.seeds,
        code=code_digest("models.float32_weights", "scoring.questions", "scoring.records", "scoring.perplexity"),
        scratch=f"{paths.scratch}/evaluate/{paths.kind}",
    script:
        "../workflow_scripts/evaluate.py"


rule lm_eval_tasks:
    """The question sets as lm-eval tasks: `lm_eval run --include_path FOLDER --tasks NAME`."""
    input:
        probes=rules.build_probes.output[0],
    output:
        directory(f"{paths.tree}/lm_eval/{{model}}/{{benchmark}}"),
    log:
        f"{paths.logs}/lm_eval_tasks/{{model}}/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("evaluation.harness"),
    script:
        "../workflow_scripts/lm_eval_tasks.py"


rule arbitrate:
    """lm-eval's own MMLU and WMDP tasks on a cell's model, and whether the fast scorer predicts the same."""
    input:
        model=parameters.cell_folder,
        delta=f"{paths.delta}/delta.safetensors",
        sources=parameters.sources("items"),
    output:
        f"{paths.tree}/arbiter/{paths.cell}.csv",
    log:
        f"{paths.logs}/arbitrate/{paths.cell}.log",
    benchmark:
        f"{paths.times}/arbitrate/{paths.cell}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        model=parameters.model,
        benchmark=parameters.benchmark(*ITEM_KEYS),
        readers=parameters.readers("items"),
        batch_size=CONFIG["scoring"]["batch_size"],
        chat=parameters.benchmark("chat"),
        code=code_digest("evaluation.arbitration"),
    script:
        "../workflow_scripts/arbitrate.py"
