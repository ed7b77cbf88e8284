"""Cells without an attack: every probe of the test split, and perplexity."""


rule build_prefix:
    """The probed questions up to the first layer that any method of the study trains."""
    input:
        model=MODELS,
        probes=rules.build_probes.output[0],
    output:
        f"{BENCHMARK}/prefix.safetensors",
    log:
        f"{LOGS}/build_prefix/{{model}}/{{benchmark}}.log",
    conda:
        "../envs/train.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=60,
    params:
        model=entry("models"),
        first_layer=min(
            min(CONFIG["methods"][name]["layers"]) for name in TRAINED_METHODS
        ),
        scoring=CONFIG["scoring"],
        code=code_digest("scoring.questions"),
    script:
        "../workflow_scripts/build_prefix.py"


rule evaluate:
    """Ask one unlearned model everything."""
    input:
        model=MODELS,
        delta=f"{DELTA}/delta.safetensors",
        cell=f"{DELTA}/manifest.json",
        corpora=rules.build_corpora.output[0],
        probes=rules.build_probes.output[0],
        prefix=rules.build_prefix.output[0],
    output:
        records=f"{RESULTS}/records/{CELL}/none/records.parquet",
        measures=f"{RESULTS}/records/{CELL}/none/measures.json",
        manifest=f"{RESULTS}/records/{CELL}/none/manifest.json",
    log:
        f"{LOGS}/evaluate/{CELL}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/evaluate/{CELL}.jsonl"
    conda:
        "../envs/train.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=60,
    params:
        model=entry("models"),
        scoring=CONFIG["scoring"],
        perplexity_tokens=lambda wildcards: CONFIG["benchmarks"][wildcards.benchmark][
            "corpora"
        ]["perplexity_tokens"],
        code=code_digest("scoring.questions", "scoring.records", "evaluation.prose"),
    script:
        "../workflow_scripts/evaluate.py"


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
