"""Selection of every tuned number on the select split (see `make select`); not part of the default target."""

SEARCHES = "methods|noise|attack|defences"
SEARCH = f"{RESULTS}/tuning/{{model}}/{{benchmark}}"


rule tune:
    """Train or attack with every value of a grid and score on the select split."""
    input:
        model=model_folder,
        cache=cache_of,
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
        chosen=chosen_method,
    output:
        f"{SEARCH}/{{kind}}/{{method}}/seed{{seed}}.csv",
    log:
        f"{LOGS}/tune/{{model}}/{{benchmark}}/{{kind}}/{{method}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmark_times/tune/{{model}}/{{benchmark}}/{{kind}}/{{method}}/seed{{seed}}.jsonl"
    wildcard_constraints:
        kind=SEARCHES,
        method="|".join(CONFIG["methods"]),
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_cache(4000, method_tokens)),
        runtime=growing(240),
    params:
        model=entry("models"),
        method=search_settings,
        entry=search_entry,
        grid=search_grid,
        every=TUNING["every"] if TUNING else None,
        scoring=CONFIG["scoring"],
        code=code_digest("evaluation.tuning"),
    script:
        "../workflow_scripts/tune.py"


rule choose_tuned:
    """Apply the criterion to one search; noise and attacks are searched with what is chosen for their method."""
    input:
        [
            f"{SEARCH}/{{kind}}/{{method}}/seed{seed}.csv"
            for seed in (TUNING["seeds"] if TUNING else [])
        ],
    output:
        f"{SEARCH}/{{kind}}/{{method}}/chosen.json",
    log:
        f"{LOGS}/choose_tuned/{{model}}/{{benchmark}}/{{kind}}/{{method}}.log",
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
            name: (TUNING or {}).get(name)
            for name in ("utility_bound", "forget_margin")
        },
        code=code_digest("evaluation.tuning"),
    script:
        "../workflow_scripts/choose_tuned.py"


rule tuning:
    """The table of what is chosen, beside what the configuration has."""
    input:
        [
            f"{RESULTS}/tuning/{model}/{benchmark}/{kind}/{method}/chosen.json"
            for model in STUDY["models"]
            for benchmark in STUDY["benchmarks"]
            for kind in SEARCHES.split("|")
            for method in searched(kind)
        ],
    output:
        f"{RESULTS}/tables/tuning.csv",
    log:
        f"{LOGS}/tuning.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config={
            key: CONFIG.get(key)
            for key in ("methods", "defences", "attacks", "tuning")
        },
        code=code_digest("evaluation.tuning"),
    script:
        "../workflow_scripts/tuning.py"
