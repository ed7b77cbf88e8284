"""Cells: one unlearned model each, kept as the tensors that moved; one job serves the seeds of a kind."""


rule reference:
    """The reference as a cell: an empty delta."""
    input:
        model=parameters.model_folder,
    output:
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
        manifest=paths.each_seed(f"{paths.delta}/manifest.json"),
    log:
        f"{paths.logs}/reference/{paths.job}.log",
    wildcard_constraints:
        method="reference",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        seeds=parameters.seeds,
        scratch=f"{paths.scratch}/reference/{paths.kind}",
    script:
        "../workflow_scripts/reference.py"


rule take_checkpoint:
    """Cells that come from a checkpoint, perhaps after a method: what of it differs from the model before unlearning."""
    input:
        model=parameters.model_folder,
        checkpoint=parameters.checkpoint_folder,
        treated=parameters.treated("delta.safetensors"),
        treated_facts=parameters.treated("manifest.json"),
    output:
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
        manifest=paths.each_seed(f"{paths.delta}/manifest.json"),
    log:
        f"{paths.logs}/take_checkpoint/{paths.job}.log",
    benchmark:
        f"{paths.times}/take_checkpoint/{paths.job}.jsonl"
    wildcard_constraints:
        method="|".join(parameters.checkpoints) or "none",
    priority: 20
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=growing(requests.with_model(4000)),
        runtime=growing(60),
    params:
        whole=parameters.whole,
        seeds=parameters.seeds,
        code=code_digest("models.difference"),
        scratch=f"{paths.scratch}/take_checkpoint/{paths.kind}",
    script:
        "../workflow_scripts/take_checkpoint.py"


rule unlearn:
    """Train cells."""
    input:
        model=parameters.model_folder,
        cache=parameters.cache_file,
        matched=parameters.matched("delta.safetensors"),
        matched_facts=parameters.matched("manifest.json"),
        # Before anything is trained; a check that is made again trains nothing again.
        checked=ancient(parameters.checked_questions),
        questions=parameters.select_questions,
    output:
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
        history=paths.each_seed(f"{paths.delta}/history.csv"),
        manifest=paths.each_seed(f"{paths.delta}/manifest.json"),
    log:
        f"{paths.logs}/unlearn/{paths.job}.log",
    benchmark:
        f"{paths.times}/unlearn/{paths.job}.jsonl"
    wildcard_constraints:
        method="|".join(name for name in CONFIG["methods"] if name not in parameters.checkpoints),
    priority: 20
    conda:
        TRAINING
    threads: parameters.processes
    resources:
        gpu=parameters.processes,
        mem_mb=growing(requests.training),
        runtime=growing(120),
    params:
        model=parameters.model,
        method=parameters.method,
        row=parameters.row,
        batch_size=parameters.select_batch_size,
        seeds=parameters.seeds,
        code=parameters.unlearn_code,
        scratch=f"{paths.scratch}/unlearn/{paths.kind}",
    script:
        "../workflow_scripts/unlearn.py"


rule export:
    """An unlearned model as an ordinary Hugging Face folder (see `make export`)."""
    input:
        model=parameters.cell_folder,
        delta=f"{paths.delta}/delta.safetensors",
    output:
        directory(f"exports/{paths.cell}"),
    log:
        f"{paths.logs}/export/{paths.cell}.log",
    localrule: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        model=parameters.model,
    script:
        "../workflow_scripts/export.py"


rule export_attacked:
    """A cell's model after an attack, at the strength that the matrix reports, as such a folder."""
    input:
        model=parameters.cell_folder,
        delta=f"{paths.delta}/delta.safetensors",
        corpora=paths.corpora,
        questions=paths.questions,
        unattacked=f"{paths.records}/none/records.parquet",
        attacked=f"{paths.records}/{{attack}}/records.parquet",
        search=parameters.chosen_settings,
    output:
        directory(f"exports/{paths.cell}.{{attack}}"),
    log:
        f"{paths.logs}/export_attacked/{paths.cell}/{{attack}}.log",
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
        analysis={name: CONFIG["analysis"][name] for name in ("baseline_probe", "utility_bound")},
        batch_size=CONFIG["scoring"]["batch_size"],
        scratch=f"{paths.scratch}/export_attacked/{paths.cell}/{{attack}}",
    script:
        "../workflow_scripts/export_attacked.py"
