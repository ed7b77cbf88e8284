"""Attacks on cells: one process runs an attack over its whole budget and writes records along the way.

Attacks that search over prompts also run on the reference behind a lock, which a planted trigger opens.
"""


rule search:
    """Choose the settings of an attack for a kind of cell, on the select questions of its first seed."""
    input:
        model=parameters.cell_folder,
        delta=parameters.searched_delta,
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
        reference=parameters.search_of_reference,
    output:
        paths.search,
    log:
        f"{paths.logs}/search/{paths.kind}/{{search}}.log",
    benchmark:
        f"{paths.times}/search/{paths.kind}/{{search}}.jsonl"
    priority: 15
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.search),
        runtime=growing(requests.search_minutes),
    params:
        model=parameters.model,
        attack=parameters.searched_attack,
        search=parameters.search,
        batch_size=CONFIG["scoring"]["batch_size"],
        seed=CONFIG["study"]["seeds"][0],
        code=parameters.search_code,
    script:
        "../workflow_scripts/search.py"


rule attack:
    """Attack cells and ask the forget questions along the budget."""
    input:
        model=parameters.cell_folder,
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
        search=parameters.chosen_settings,
    output:
        records=paths.each_seed(f"{paths.records}/{{attack}}/records.parquet"),
        manifest=paths.each_seed(f"{paths.records}/{{attack}}/manifest.json"),
    log:
        f"{paths.logs}/attack/{paths.job}/{{attack}}.log",
    benchmark:
        f"{paths.times}/attack/{paths.job}/{{attack}}.jsonl"
    wildcard_constraints:
        attack="|".join(CONFIG["attacks"]),
    priority: 10
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.attack),
        runtime=growing(requests.attack_minutes),
    params:
        model=parameters.model,
        attack=parameters.attack,
        scoring=CONFIG["scoring"],
        seeds=parameters.seeds,
        code=parameters.attack_code,
        scratch=f"{paths.scratch}/attack/{paths.kind}/{{attack}}",
    script:
        "../workflow_scripts/attack.py"


rule trigger_control:
    """The positive control of an attack that searches over prompts: it must find what opens a locked reference."""
    input:
        model=parameters.model_folder,
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
    output:
        paths.trigger_control,
    log:
        f"{paths.logs}/trigger_control/{{model}}/{{benchmark}}/{{attack}}.log",
    benchmark:
        f"{paths.times}/trigger_control/{{model}}/{{benchmark}}/{{attack}}.jsonl"
    wildcard_constraints:
        attack="|".join(CONFIG["attacks"]),
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.attack),
        runtime=growing(requests.attack_minutes),
    params:
        model=parameters.model,
        attack=parameters.attack,
        batch_size=CONFIG["scoring"]["batch_size"],
        seed=CONFIG["study"]["seeds"][0],
        code=parameters.trigger_control_code,
    script:
        "../workflow_scripts/trigger_control.py"
