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
    "matched_accuracy",
]


rule build_prefix:
    """The probed questions up to the first layer that any method of the study trains; variants may lie lower."""
    input:
        model=MODELS,
        probes=rules.build_probes.output[0],
    output:
        f"{BENCHMARK}/prefix.safetensors",
    log:
        f"{LOGS}/build_prefix/{{model}}/{{benchmark}}.log",
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        model=entry("models"),
        first_layer=min(
            min(CONFIG["methods"][name]["layers"])
            for name in TRAINED_METHODS
            if "variant_of" not in CONFIG["methods"][name]
        ),
        scoring=CONFIG["scoring"],
        code=code_digest("scoring.questions"),
    script:
        "../workflow_scripts/build_prefix.py"


rule evaluate:
    """Ask unlearned models everything."""
    input:
        model=MODELS,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        cell=each_seed(f"{DELTA}/manifest.json"),
        corpora=rules.build_corpora.output[0],
        probes=rules.build_probes.output[0],
        prefix=rules.build_prefix.output[0],
    output:
        records=each_seed(f"{RESULTS}/records/{CELL}/none/records.parquet"),
        measures=each_seed(f"{RESULTS}/records/{CELL}/none/measures.json"),
        manifest=each_seed(f"{RESULTS}/records/{CELL}/none/manifest.json"),
    log:
        f"{LOGS}/evaluate/{JOB}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/evaluate/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        model=entry("models"),
        scoring=CONFIG["scoring"],
        measures=MEASURED,
        perplexity_tokens=lambda wildcards: CONFIG["benchmarks"][wildcards.benchmark][
            "corpora"
        ]["perplexity_tokens"],
        seeds=seeds_of_job,
        code=code_digest("scoring.questions", "scoring.records", "evaluation.prose"),
        scratch=f"{RESULTS}/scratch/evaluate/{KIND}",
    script:
        "../workflow_scripts/evaluate.py"


rule measure_latents:
    """What a token and what noise do to the latents of unlearned models, in float32."""
    input:
        model=MODELS,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        probes=rules.build_probes.output[0],
    output:
        latents=each_seed(f"{RESULTS}/records/{CELL}/latents.parquet"),
    log:
        f"{LOGS}/measure_latents/{JOB}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/measure_latents/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(6000),
        runtime=growing(60),
    params:
        model=entry("models"),
        latents=CONFIG.get("latents"),
        seeds=seeds_of_job,
        code=code_digest("evaluation.latents"),
        scratch=f"{RESULTS}/scratch/measure_latents/{KIND}",
    script:
        "../workflow_scripts/measure_latents.py"


rule measure_sharpness:
    """How sharp the minima are in which unlearning ended, in float32."""
    input:
        model=MODELS,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
    output:
        sharpness=each_seed(f"{RESULTS}/records/{CELL}/sharpness.parquet"),
    log:
        f"{LOGS}/measure_sharpness/{JOB}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/measure_sharpness/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        model=entry("models"),
        sharpness=CONFIG.get("sharpness"),
        seeds=seeds_of_job,
        code=code_digest("evaluation.sharpness"),
        scratch=f"{RESULTS}/scratch/measure_sharpness/{KIND}",
    script:
        "../workflow_scripts/measure_sharpness.py"


rule measure_landscape:
    """The loss along the way to the relearned model and across it, in float32."""
    input:
        model=MODELS,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
    output:
        landscape=each_seed(f"{RESULTS}/records/{CELL}/landscape.parquet"),
    log:
        f"{LOGS}/measure_landscape/{JOB}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/measure_landscape/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        model=entry("models"),
        landscape=LANDSCAPE,
        attack=RELEARNING,
        seeds=seeds_of_job,
        code=landscape_code,
        scratch=f"{RESULTS}/scratch/measure_landscape/{KIND}",
    script:
        "../workflow_scripts/measure_landscape.py"


rule lm_eval_tasks:
    """The question sets as lm-eval tasks: `lm_eval run --include_path FOLDER --tasks NAME`."""
    input:
        probes=rules.build_probes.output[0],
    output:
        directory(f"{RESULTS}/lm_eval/{{model}}/{{benchmark}}"),
    log:
        f"{LOGS}/lm_eval_tasks/{{model}}/{{benchmark}}.log",
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
