"""Attacks on cells: one process runs an attack over its whole budget and writes records along the way."""


rule attack:
    """Attack cells and ask the forget questions along the budget."""
    input:
        model=model_folder,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
    output:
        records=each_seed(f"{RECORD}/records.parquet"),
        manifest=each_seed(f"{RECORD}/manifest.json"),
    log:
        f"{LOGS}/attack/{JOB}/{{attack}}.log",
    benchmark:
        f"{TREE}/benchmark_times/attack/{JOB}/{{attack}}.jsonl"
    wildcard_constraints:
        attack="|".join(CONFIG["attacks"]),
    priority: 10
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(attack_memory),
        runtime=growing(120),
    params:
        model=entry("models"),
        attack=entry("attacks"),
        scoring=CONFIG["scoring"],
        seeds=seeds_of_job,
        code=attack_code,
        scratch=f"{TREE}/scratch/attack/{KIND}/{{attack}}",
    script:
        "../workflow_scripts/attack.py"
