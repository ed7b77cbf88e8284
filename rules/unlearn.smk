"""Cells: one unlearned model each, kept as the tensors that moved."""


rule reference:
    """The reference as a cell: a delta of nothing."""
    input:
        model=MODELS,
    output:
        delta=f"{DELTA}/delta.safetensors",
        manifest=f"{DELTA}/manifest.json",
    log:
        f"{LOGS}/reference/{CELL}.log",
    wildcard_constraints:
        method="reference",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../workflow_scripts/reference.py"


rule unlearn:
    """Train one cell."""
    input:
        model=MODELS,
        bank=rules.build_bank.output[0],
        matched=matched_delta,
        questions=select_questions,
    output:
        delta=f"{DELTA}/delta.safetensors",
        history=f"{DELTA}/history.csv",
        manifest=f"{DELTA}/manifest.json",
    log:
        f"{LOGS}/unlearn/{CELL}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/unlearn/{CELL}.jsonl"
    wildcard_constraints:
        method="|".join(CONFIG["methods"]),
    conda:
        "../envs/train.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=120,
    params:
        model=entry("models"),
        method=method_of,
        row=row_of,
        scoring=CONFIG["scoring"],
        code=unlearn_code,
        scratch=f"{RESULTS}/scratch/unlearn/{CELL}",
    script:
        "../workflow_scripts/unlearn.py"


rule export:
    """An unlearned model as an ordinary Hugging Face folder (see `make export`)."""
    input:
        model=MODELS,
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
