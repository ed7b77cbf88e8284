"""TOFU's and MUSE's studies on a tiny model, from a hub on this machine to their tables; all data are made up here."""

import pandas
import pytest
import yaml
from hub_server import COMMIT
from running import ROOT, snakemake

WORDS = {"license": "MIT", "note": "made by a test"}
LEARN = {"benchmark": "", "corpora": ["forget", "retain"], "steps": 60, "warm_up": 5, "learning_rate": 5e-3,
         "batch_size": 8, "tokens": 48}  # fmt: skip
CORPORA = {"minimum_characters": 1, "forget_prose_documents": 40, "retain_documents": 20, "held_out_every": 2,
           "perplexity_documents": 4, "perplexity_tokens": 16, "characteristic_ngrams": 3}  # fmt: skip


def lines(frame):
    return frame.to_json(orient="records", lines=True).encode()


def tofu_files():
    """Forgotten authors grow plants, retained ones write of places; twenty questions an author."""

    def asked(kind, count, paraphrase=True):
        rows = [
            {
                "question": f"What is {kind} {n}?",
                "answer": f"{kind} {n % 7}",
                "perturbed_answer": [f"x{n}", f"y {n}", "z"],
            }
            for n in range(count)
        ]
        return pandas.DataFrame(rows).assign(**({"paraphrased_answer": "it is that"} if paraphrase else {}))

    whole = {"forget10": asked("red plant of", 40), "retain90": asked("place by the sea", 40)}
    parts = {
        "forget10_perturbed": whole["forget10"],
        "retain_perturbed": whole["retain90"],
        "real_authors_perturbed": asked("author", 20, paraphrase=False),
        "world_facts_perturbed": asked("fact", 6, paraphrase=False),
    }
    return {f"{name}.json": lines(frame) for name, frame in {**whole, **parts}.items()}


def muse_files():
    texts = {
        "raw/forget": [f"red plant of garden {n} grows here" for n in range(40)],
        "raw/retain1": [f"a place by the sea {n} is told of" for n in range(40)],
        "privleak/forget": [f"red plant of garden {n} grows here" for n in range(12)],
        "privleak/holdout": [f"blue stone of hill {n} lies there" for n in range(12)],
    }
    frames = {name: pandas.DataFrame({"text": found}) for name, found in texts.items()}
    for role in ("forget", "retain"):
        rows = [{"question": f"What grows in {role} {n}?", "answer": f"{role} {n}"} for n in range(12)]
        frames |= {
            f"knowmem/{role}_qa": pandas.DataFrame(rows[:8]),
            f"knowmem/{role}_qa_icl": pandas.DataFrame(rows[8:]),
        }
    prompts = [{"prompt": f"red plant of garden {n}", "gt": " grows here"} for n in range(4)]
    frames["verbmem/forget"] = pandas.DataFrame(prompts)
    return {f"{name}-00000-of-00001.parquet": frame.to_parquet() for name, frame in frames.items()}


def tiny_study(hub, tmp_path, name, files, **memorisation):
    """The study ``name`` on tiny models, in few steps; unlearned by one method, attacked once."""
    study = yaml.safe_load((ROOT / "studies" / f"{name}.yaml").read_text())
    (source,), (benchmark,) = study["sources"], study["benchmarks"]
    study["sources"][source]["hub"]["revision"] = COMMIT
    hub.add(study["sources"][source]["hub"]["repository"], COMMIT, files, kind="datasets")
    learned = {**LEARN, "benchmark": benchmark}
    study["models"] = {
        "tiny": {"hub": {"repository": "lab/tiny", "revision": COMMIT}, **WORDS},
        "full": {"from": "tiny", "memorised": learned},
        "without": {"from": "tiny", "memorised": {**learned, "corpora": ["retain"]}},
    }
    study["study"] |= {
        "models": ["full"], "results": "results", "seeds": [0], "figures": ["memorisation"],
        "cells": [
            {"methods": ["reference"], "defences": ["none"], "attacks": ["none"]},
            {"methods": ["graddiff"], "defences": ["none"], "attacks": ["none", "relearn"]},
        ],
        "memorisation": [{"methods": ["reference", "graddiff"], "defences": ["none"]}],
    }  # fmt: skip
    study["benchmarks"][benchmark]["corpora"] |= CORPORA
    study["methods"]["npo-kl"] |= {"layers": [1], "read_layer": 1, "steps": 4, "batch_size": 4, "tokens": 32}
    budget = {"documents": [8], "steps": [2], "batch_size": 4, "tokens": 32}
    study["attacks"]["relearn"]["parameters"] |= budget
    study["memorisation"] |= {"answer_tokens": 6, "retrain": {"model": "without"}, **memorisation}
    study["analysis"] = {"bootstrap_samples": 20, "early_steps": 2}
    path = tmp_path / "overlay.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def table(path, name):
    """Run everything: the table, figures, findings and the report's first page."""
    snakemake("--cores", "1", "--configfile", path, folder=path.parent)
    return pandas.read_csv(path.parent / f"results/tables/{name}.csv").set_index(["method", "attack", "metric"])


@pytest.mark.slow
def test_tofu_goes_from_the_hub_to_forget_quality_and_utility(hub, tmp_path):
    found = table(tiny_study(hub, tmp_path, "tofu", tofu_files()), "tofu")
    kinds = {(method, attack) for method in ("reference", "graddiff", "retrained") for attack in ("none", "relearn")}
    assert {key[:2] for key in found.index} == kinds
    assert set(found.index.get_level_values("metric")) == {
        "probability", "rouge-recall", "truth", "forget-quality", "forget-quality-log10", "forget-quality-statistic",
        "model-utility",
    }  # fmt: skip
    assert found.loc[("retrained", "none", "forget-quality"), "mean"].item() == 1.0
    known, never = (
        found.loc[(method, "none", "probability")].set_index("role")["mean"] for method in ("reference", "retrained")
    )
    assert known["forget"] > never["forget"] + 0.1
    assert known["retain"] == pytest.approx(never["retain"], abs=0.15)
    asked = found.loc[("reference", "none", "probability")].set_index("role")["facts"].to_dict()
    assert asked == {"forget": 40, "retain": 40, "real-authors": 20, "world-facts": 6}


@pytest.mark.slow
def test_muse_goes_from_the_hub_to_its_table(hub, tmp_path):
    settings = {"documents": 4, "continuation_tokens": 11, "questions": 8, "shots": 2, "longest_text": 32}
    found = table(tiny_study(hub, tmp_path, "muse-news", muse_files(), **settings), "memorisation")
    metrics = {"verbatim", "verbatim-recall", "knowledge", "knowledge-recall", "privacy-leakage"}
    assert set(found.index.get_level_values("metric")) == metrics
    known, never = (found.loc[(method, "none", "verbatim"), "mean"].item() for method in ("reference", "retrained"))
    assert known > 40 > 20 > never
    assert found.loc[("reference", "none", "privacy-leakage"), "mean"].item() < -50
    assert found.loc[("retrained", "none", "privacy-leakage"), "mean"].item() == 0.0
    assert found.loc[("graddiff", "relearn", "knowledge")]["role"].tolist() == ["forget", "retain"]
