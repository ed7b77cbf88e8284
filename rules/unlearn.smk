"""Cells: one unlearned model each, kept as the tensors that moved; one job serves the seeds of a kind."""


rule reference:
    """The reference as a cell: a delta of nothing."""
    input:
        model=model_folder,
    output:
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        manifest=each_seed(f"{DELTA}/manifest.json"),
    log:
        f"{LOGS}/reference/{JOB}.log",
    wildcard_constraints:
        method="reference",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        seeds=seeds_of_job,
        scratch=f"{TREE}/scratch/reference/{KIND}",
    script:
        "../workflow_scripts/reference.py"


rule unlearn:
    """Train cells."""
    input:
        model=model_folder,
        cache=cache_of,
        matched=matched_delta,
        questions=select_questions,
    output:
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        history=each_seed(f"{DELTA}/history.csv"),
        manifest=each_seed(f"{DELTA}/manifest.json"),
    log:
        f"{LOGS}/unlearn/{JOB}.log",
    benchmark:
        f"{TREE}/benchmark_times/unlearn/{JOB}.jsonl"
    wildcard_constraints:
        method="|".join(CONFIG["methods"]),
    priority: 20
    conda:
        TRAINING
    threads: processes_of
    resources:
        gpu=processes_of,
        mem_mb=growing(processes_memory),
        runtime=growing(120),
    params:
        model=entry("models"),
        method=method_of,
        row=row_of,
        scoring=CONFIG["scoring"],
        seeds=seeds_of_job,
        code=unlearn_code,
        scratch=f"{TREE}/scratch/unlearn/{KIND}",
    script:
        "../workflow_scripts/unlearn.py"


rule export:
    """An unlearned model as an ordinary Hugging Face folder (see `make export`)."""
    input:
        model=model_folder,
        delta=f"{DELTA}/delta.safetensors",
    output:
        directory(f"exports/{CELL}"),
    log:
        f"{LOGS}/export/{CELL}.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        model=entry("models"),
    script:
        "../workflow_scripts/export.py"
