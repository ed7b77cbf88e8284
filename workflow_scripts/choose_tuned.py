"""Rule choose_tuned."""

from entry import job

with job(snakemake):
    import pandas

    from unlearning_robustness.evaluation.tuning import choose
    from unlearning_robustness.runtime.manifest import write_json

    scores = pandas.concat([pandas.read_csv(path) for path in snakemake.input])
    margins = snakemake.params.margins
    chosen = choose(snakemake.wildcards.kind, scores, margins["utility_bound"], margins["forget_margin"])
    write_json(snakemake.output[0], chosen)
    print(chosen)
