"""Attacks on cells: one process runs an attack over its whole budget and writes records along the way."""


rule attack:
    """Attack one cell and ask the forget questions along the budget."""
    input:
        model=MODELS,
        delta=f"{DELTA}/delta.safetensors",
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
    output:
        records=f"{RECORD}/records.parquet",
        manifest=f"{RECORD}/manifest.json",
    log:
        f"{LOGS}/attack/{CELL}/{{attack}}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/attack/{CELL}/{{attack}}.jsonl"
    wildcard_constraints:
        attack="|".join(CONFIG["attacks"]),
    conda:
        "../envs/train.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=120,
    params:
        model=entry("models"),
        attack=entry("attacks"),
        scoring=CONFIG["scoring"],
        code=attack_code,
    script:
        "../workflow_scripts/attack.py"
