"""What is measured of unlearned models beside their answers: latents, sharpness, landscapes, memorisation."""


rule measure_latents:
    """What a token and what noise do to the latents of unlearned models, in float32."""
    input:
        model=model_folder,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        probes=rules.build_probes.output[0],
    output:
        latents=each_seed(f"{TREE}/records/{CELL}/latents.parquet"),
    log:
        f"{LOGS}/measure_latents/{JOB}.log",
    benchmark:
        f"{TREE}/benchmark_times/measure_latents/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(6000)),
        runtime=growing(60),
    params:
        model=entry("models"),
        latents=CONFIG.get("latents"),
        seeds=seeds_of_job,
        code=code_digest("evaluation.latents"),
        scratch=f"{TREE}/scratch/measure_latents/{KIND}",
    script:
        "../workflow_scripts/measure_latents.py"


rule measure_sharpness:
    """How sharp the minima are in which unlearning ended, in float32."""
    input:
        model=model_folder,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
    output:
        sharpness=each_seed(f"{TREE}/records/{CELL}/sharpness.parquet"),
    log:
        f"{LOGS}/measure_sharpness/{JOB}.log",
    benchmark:
        f"{TREE}/benchmark_times/measure_sharpness/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(8000)),
        runtime=growing(120),
    params:
        model=entry("models"),
        sharpness=CONFIG.get("sharpness"),
        seeds=seeds_of_job,
        code=code_digest("evaluation.sharpness"),
        scratch=f"{TREE}/scratch/measure_sharpness/{KIND}",
    script:
        "../workflow_scripts/measure_sharpness.py"


rule measure_landscape:
    """The loss along the way to the relearned model and across it, in float32."""
    input:
        model=model_folder,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
    output:
        landscape=each_seed(f"{TREE}/records/{CELL}/landscape.parquet"),
    log:
        f"{LOGS}/measure_landscape/{JOB}.log",
    benchmark:
        f"{TREE}/benchmark_times/measure_landscape/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(4000)),
        runtime=growing(120),
    params:
        model=entry("models"),
        landscape=LANDSCAPE,
        attack=RELEARNING,
        seeds=seeds_of_job,
        code=landscape_code,
        scratch=f"{TREE}/scratch/measure_landscape/{KIND}",
    script:
        "../workflow_scripts/measure_landscape.py"


rule measure_memorisation:
    """What unlearned models still say of the forget texts, word for word and in answers, also after relearning."""
    input:
        model=model_folder,
        delta=each_seed(f"{DELTA}/delta.safetensors"),
        corpora=rules.build_corpora.output[0],
        asked=asked_openly,
    output:
        memorisation=each_seed(f"{TREE}/records/{CELL}/memorisation.parquet"),
    log:
        f"{LOGS}/measure_memorisation/{JOB}.log",
    benchmark:
        f"{TREE}/benchmark_times/measure_memorisation/{JOB}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(4000)),
        runtime=growing(120),
    params:
        model=entry("models"),
        memorisation=CONFIG.get("memorisation"),
        attack=memorisation_attack(),
        seeds=seeds_of_job,
        code=memorisation_code(),
        scratch=f"{TREE}/scratch/measure_memorisation/{KIND}",
    script:
        "../workflow_scripts/measure_memorisation.py"


rule measure_retrained:
    """The same of the model that never saw the forget texts: what perfect unlearning would leave."""
    input:
        model=lambda wildcards: folder_of(retrain_of(CONFIG, wildcards.model)["model"]),
        corpora=rules.build_corpora.output[0],
        asked=asked_openly,
    output:
        f"{TREE}/records/{{model}}/{{benchmark}}/retrained.parquet",
    log:
        f"{LOGS}/measure_retrained/{{model}}/{{benchmark}}.log",
    benchmark:
        f"{TREE}/benchmark_times/measure_retrained/{{model}}/{{benchmark}}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(with_model(4000)),
        runtime=growing(60),
    params:
        model=lambda wildcards: CONFIG["models"][
            retrain_of(CONFIG, wildcards.model)["model"]
        ],
        memorisation=CONFIG.get("memorisation"),
        attack=memorisation_attack(),
        seed=STUDY["seeds"][0],
        code=memorisation_code(),
    script:
        "../workflow_scripts/measure_retrained.py"
