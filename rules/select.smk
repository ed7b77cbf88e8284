"""Selection of every tuned number on the select split (see `make select`); not part of the default target."""

SEARCHES = "methods|noise|attack|defences"
SEARCH = f"{RESULTS}/selection/{{model}}/{{benchmark}}"


rule search:
    """Train or attack with every value of a grid and score on the select split."""
    input:
        model=model_folder,
        bank=bank_of,
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
        chosen=chosen_method,
    output:
        f"{SEARCH}/{{kind}}/{{method}}/seed{{seed}}.csv",
    log:
        f"{LOGS}/search/{{model}}/{{benchmark}}/{{kind}}/{{method}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/search/{{model}}/{{benchmark}}/{{kind}}/{{method}}/seed{{seed}}.jsonl"
    wildcard_constraints:
        kind=SEARCHES,
        method="|".join(CONFIG["methods"]),
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_bank(4000, method_tokens)),
        runtime=growing(240),
    params:
        model=entry("models"),
        method=search_settings,
        entry=search_entry,
        grid=search_grid,
        every=SELECTION["every"] if SELECTION else None,
        scoring=CONFIG["scoring"],
        code=code_digest("evaluation.selection"),
    script:
        "../workflow_scripts/search.py"


rule choose:
    """Apply the criterion to one search; noise and attacks are searched with what is chosen for their method."""
    input:
        [
            f"{SEARCH}/{{kind}}/{{method}}/seed{seed}.csv"
            for seed in (SELECTION["seeds"] if SELECTION else [])
        ],
    output:
        f"{SEARCH}/{{kind}}/{{method}}/chosen.json",
    log:
        f"{LOGS}/choose/{{model}}/{{benchmark}}/{{kind}}/{{method}}.log",
    wildcard_constraints:
        kind=SEARCHES,
        method="|".join(CONFIG["methods"]),
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        margins={
            name: (SELECTION or {}).get(name)
            for name in ("retain_margin", "forget_margin")
        },
        code=code_digest("evaluation.selection"),
    script:
        "../workflow_scripts/choose.py"


rule selection:
    """The table of what is chosen, beside what the configuration has."""
    input:
        [
            f"{RESULTS}/selection/{model}/{benchmark}/{kind}/{method}/chosen.json"
            for model in STUDY["models"]
            for benchmark in STUDY["benchmarks"]
            for kind in SEARCHES.split("|")
            for method in searched(kind)
        ],
    output:
        f"{RESULTS}/tables/selection.csv",
    log:
        f"{LOGS}/selection.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config={
            key: CONFIG.get(key)
            for key in ("methods", "defences", "attacks", "selection")
        },
        code=code_digest("evaluation.selection"),
    script:
        "../workflow_scripts/selection.py"
