"""Tuning of settings on the select split (see `make tune`); not part of the default target."""

from unlearning_robustness.workflow.tuning import KINDS


rule tune:
    """Train or attack with every value of a grid and score on the select split."""
    input:
        model=parameters.model_folder,
        cache=parameters.cache_file,
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
        chosen=tuning.chosen_method,
    output:
        f"{paths.tuning}/seed{{seed}}.csv",
    log:
        f"{paths.logs}/tune/{{model}}/{{benchmark}}/{{kind}}/{{method}}/seed{{seed}}.log",
    benchmark:
        f"{paths.results}/benchmark_times/tune/{{model}}/{{benchmark}}/{{kind}}/{{method}}/seed{{seed}}.jsonl"
    wildcard_constraints:
        kind="|".join(KINDS),
        method="|".join(CONFIG["methods"]),
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.with_cache(4000, requests.method_tokens)),
        runtime=growing(240),
    params:
        model=parameters.model,
        method=tuning.method,
        entry=tuning.entry,
        grid=tuning.grid,
        every=tuning.every,
        batch_size=CONFIG["scoring"]["batch_size"],
        code=code_digest("evaluation.tuning"),
    script:
        "../workflow_scripts/tune.py"


rule choose_tuned:
    """Apply the criterion to one search; noise and attacks are searched with what is chosen for their method."""
    input:
        [f"{paths.tuning}/seed{seed}.csv" for seed in tuning.seeds],
    output:
        f"{paths.tuning}/chosen.json",
    log:
        f"{paths.logs}/choose_tuned/{{model}}/{{benchmark}}/{{kind}}/{{method}}.log",
    wildcard_constraints:
        kind="|".join(KINDS),
        method="|".join(CONFIG["methods"]),
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        margins=tuning.margins,
        code=code_digest("evaluation.tuning"),
    script:
        "../workflow_scripts/choose_tuned.py"


rule tuning:
    """The table of what is chosen, beside what the configuration has."""
    input:
        tuning.chosen(),
    output:
        f"{paths.results}/tables/tuning.csv",
    log:
        f"{paths.logs}/tuning.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=tuning.configured,
        code=code_digest("evaluation.tuning"),
    script:
        "../workflow_scripts/tuning.py"
