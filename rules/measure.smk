"""What is measured of unlearned models beside their answers: latents, sharpness, landscapes, memorisation, and of their
training: trajectories."""

from unlearning_robustness.workflow.targets import MEASURES as MEASURE_NAMES


rule measure:
    """One measure of unlearned models, a table a seed."""
    input:
        unpack(parameters.measure_input),
        model=parameters.cell_folder,
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
    output:
        records=paths.each_seed(f"{paths.records}/{{measure}}.parquet"),
    log:
        f"{paths.logs}/measure_{{measure}}/{paths.job}.log",
    benchmark:
        f"{paths.times}/measure_{{measure}}/{paths.job}.jsonl"
    wildcard_constraints:
        measure="|".join(MEASURE_NAMES),
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.measure),
        runtime=growing(requests.measure_minutes),
    params:
        model=parameters.model,
        settings=parameters.measure,
        attack=parameters.measure_attack,
        seeds=parameters.seeds,
        code=parameters.measure_code,
        scratch=f"{paths.scratch}/measure_{{measure}}/{paths.kind}",
    script:
        "../workflow_scripts/measure.py"


rule trajectory:
    """Cells trained once more and asked on the way, a table a seed."""
    input:
        model=parameters.model_folder,
        cache=parameters.cache_file,
        delta=paths.each_seed(f"{paths.delta}/delta.safetensors"),
        probes=rules.build_probes.output[0],
        corpora=parameters.trajectory_corpora,
    output:
        records=paths.each_seed(f"{paths.records}/trajectory.parquet"),
    log:
        f"{paths.logs}/trajectory/{paths.job}.log",
    benchmark:
        f"{paths.times}/trajectory/{paths.job}.jsonl"
    wildcard_constraints:
        method="|".join(CONFIG["methods"]),
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
        settings=parameters.trajectory,
        attack=parameters.trajectory_attack,
        batch_size=CONFIG["scoring"]["batch_size"],
        precision=CONFIG["scoring"]["precision"],
        seeds=parameters.seeds,
        code=parameters.trajectory_code,
        scratch=f"{paths.scratch}/trajectory/{paths.kind}",
    script:
        "../workflow_scripts/trajectory.py"


rule measure_retrained:
    """Memorisation of the model that never saw the forget texts: what perfect unlearning would leave."""
    input:
        model=parameters.retrained_folder,
        corpora=rules.build_corpora.output[0],
        questions=parameters.open_questions,
    output:
        paths.retrained,
    log:
        f"{paths.logs}/measure_retrained/{{model}}/{{benchmark}}.log",
    benchmark:
        f"{paths.times}/measure_retrained/{{model}}/{{benchmark}}.jsonl"
    conda:
        TRAINING
    resources:
        gpu=1,
        mem_mb=growing(requests.with_model(4000)),
        runtime=growing(60),
    params:
        model=parameters.retrained_model,
        settings=parameters.memorisation,
        attack=parameters.retrained_attack(),
        seed=CONFIG["study"]["seeds"][0],
        code=parameters.retrained_code(),
    script:
        "../workflow_scripts/measure_retrained.py"
