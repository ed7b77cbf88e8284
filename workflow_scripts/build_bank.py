"""Rule build_bank."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(snakemake.scriptdir).parent / "src"))
from unlearning_robustness.job import job

with job(snakemake, snakemake.params.model) as running:
    import pandas

    from unlearning_robustness.models.bank import cut_line, encode_texts, fill, save_bank
    from unlearning_robustness.models.loading import load_model, load_tokenizer
    from unlearning_robustness.progress import Progress

    bank = snakemake.params.bank
    needed = None if bank["likelihood"] else (0, bank["read_layer"] + 1)
    model, _ = load_model(snakemake.input.model, running.device, running.dtype, needed)
    tokenizer = load_tokenizer(snakemake.input.model)
    corpora = pandas.read_parquet(snakemake.input.corpora)
    banks = {}
    for corpus in ("forget", "retain", "refusal"):
        texts = list(corpora.loc[corpora["corpus"] == corpus, "text"])
        print(cut_line(f"{corpus} texts", tokenizer, texts, bank["tokens"]), flush=True)
        input_ids, mask = encode_texts(tokenizer, texts, bank["tokens"])
        banks[corpus] = fill(
            model, input_ids, mask, bank["first_layer"], bank["read_layer"],
            likelihood=bank["likelihood"] and corpus != "retain",
            count_padding=bank["implementation"] == "released",
            on_batch=Progress(f"{corpus} texts", len(texts)),
        )  # fmt: skip
    save_bank(snakemake.output[0], banks)
