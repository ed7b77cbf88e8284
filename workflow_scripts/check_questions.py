"""Rule check_questions."""

from entry import job

with job(snakemake):
    import pandas

    from unlearning_robustness.data.overlap import overlaps, repetitions
    from unlearning_robustness.data.supply import bounded, check_lengths, check_questions
    from unlearning_robustness.models.loading import load_tokenizer
    from unlearning_robustness.runtime.manifest import write_json

    source, roles = snakemake.input, snakemake.params.benchmark
    corpora, questions = pandas.read_parquet(source.corpora), pandas.read_parquet(source.questions)
    check_lengths(load_tokenizer(source.model), corpora)
    check_questions(snakemake.wildcards.benchmark, questions, snakemake.params.demands)
    most = {role: entry["max_facts"] for role, entry in roles.items()}
    report = {
        "repetitions": repetitions(corpora),
        "overlaps": overlaps(corpora, questions),
        "bounded": list(bounded(questions, most)),
    }
    for row in report["overlaps"]:
        print(f"{row['of']} in {row['within']}: {row['equal']} equal, {row['near']} nearly, of {row['texts']}")
    print(*report["bounded"], sep="\n")
    write_json(snakemake.output[0], report)
