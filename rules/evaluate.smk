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
    "conflicting_steps",
]


rule build_prefix:
    """The probed questions up to the first layer that any method of the study trains; variants may lie lower."""
    input:
        model=model_folder,
        probes=rules.build_probes.output[0],
    output:
        f"{BENCHMARK}/prefix.safetensors",
    log:
        f"{LOGS}/build_prefix/{{model}}/{{benchmark}}.log",
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(4000)),
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
        model=model_folder,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        cell=each_seed(f"{DELTA}/manifest.json"),
        corpora=rules.build_corpora.output[0],
        probes=rules.build_probes.output[0],
        prefix=rules.build_prefix.output[0],
    output:
        records=each_seed(f"{TREE}/records/{CELL}/none/records.parquet"),
        measures=each_seed(f"{TREE}/records/{CELL}/none/measures.json"),
        manifest=each_seed(f"{TREE}/records/{CELL}/none/manifest.json"),
    log:
        f"{LOGS}/evaluate/{JOB}.log",
    benchmark:
        f"{TREE}/benchmark_times/evaluate/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(4000)),
        runtime=growing(60),
    params:
        model=entry("models"),
        scoring=CONFIG["scoring"],
        measures=MEASURED,
        perplexity_tokens=lambda wildcards: CONFIG["benchmarks"][wildcards.benchmark][
            "corpora"
        ]["perplexity_tokens"],
        seeds=seeds_of_job,
        code=code_digest("scoring.questions", "scoring.records", "scoring.perplexity"),
        scratch=f"{TREE}/scratch/evaluate/{KIND}",
    script:
        "../workflow_scripts/evaluate.py"


rule lm_eval_tasks:
    """The question sets as lm-eval tasks: `lm_eval run --include_path FOLDER --tasks NAME`."""
    input:
        probes=rules.build_probes.output[0],
    output:
        directory(f"{TREE}/lm_eval/{{model}}/{{benchmark}}"),
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


rule arbitrate:
    """lm-eval's own MMLU and WMDP tasks on a cell's model, and whether the fast scorer predicts the same."""
    input:
        model=model_folder,
        delta=f"{DELTA}/delta.safetensors",
        sources=fetched("items"),
    output:
        f"{TREE}/arbiter/{CELL}.csv",
    log:
        f"{LOGS}/arbitrate/{CELL}.log",
    benchmark:
        f"{TREE}/benchmark_times/arbitrate/{CELL}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        model=entry("models"),
        benchmark=benchmark_part("forget", "neighbour", "retain"),
        readers=published("items"),
        scoring=CONFIG["scoring"],
        code=code_digest("evaluation.arbitration"),
    script:
        "../workflow_scripts/arbitrate.py"
