"""What the rules ask of a study, without a graph of jobs."""

from types import SimpleNamespace

import pytest
from edited_rules import Rules, default_jobs, reading_once
from snakemake.iocontainers import Wildcards

from studies import ROOT, STUDIES, load_study
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.runtime import code_digest as digests
from unlearning_robustness.workflow import parameters as computed
from unlearning_robustness.workflow.licences import fetched_entries
from unlearning_robustness.workflow.requests import growing
from unlearning_robustness.workflow.study import Study, merged

PLACE = {"model": "smollm2-135m-instruct", "benchmark": "elements"}
SHAPE = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "num_attention_heads": 32,
         "num_key_value_heads": 8, "vocab_size": 32000, "tie_word_embeddings": False}  # fmt: skip
# Two matrices of the vocabulary, and of each layer four of attention and three of the MLP; two bytes a weight.
MEGABYTES = 2 * (2 * 32000 * 4096 + 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)) / 1e6


def of(**wildcards):
    return Wildcards(fromdict={**PLACE, **wildcards})


@pytest.fixture(scope="module")
def default():
    return Study({}, ROOT)


def test_what_is_stated_wins_over_files_key_by_key_and_lists_whole(tmp_path):
    for name, text in {"a": "{x: {y: 1, z: [1, 2]}, w: 3}", "b": "{x: {y: 2}}"}.items():
        (tmp_path / name).write_text(text)
    assert merged([tmp_path / "a", tmp_path / "b"], {"x": {"z": [5]}}) == {"x": {"y": 2, "z": [5]}, "w": 3}


def test_a_study_builds_on_no_file_of_its_own_and_on_whole_chains():
    own = {"builds_on": ["shared/claims-stableun", "stableun"]}
    Study(own, ROOT, own=[STUDIES / "stableun-controls.yaml"])
    with pytest.raises(ConfigError, match="builds_on: 'stableun' is this very file; leave it out"):
        Study(own, ROOT, own=[STUDIES / ".." / "studies" / "stableun.yaml"])
    with pytest.raises(ConfigError, match="builds_on: 'muse-books' builds on 'muse-news' itself; name 'muse-news' be"):
        Study({"builds_on": ["muse-books"]}, ROOT)
    assert Study({"builds_on": ["muse-news", "muse-books"]}, ROOT).config["study"]["name"] == "muse-books"


def test_files_are_read_for_keys_that_stand_twice(tmp_path):
    (tmp_path / "mine.yaml").write_text("study:\n  seeds: [010]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml, line 2: YAML reads 010 as 8"):
        Study({"study": {"seeds": [8]}}, ROOT, own=[tmp_path / "mine.yaml"])


def test_a_study_has_a_file_for_every_cell_attack_and_measure():
    targets = Study(load_study("ci"), ROOT).targets
    cell = "results/ci/records/smollm2-135m-instruct/elements/rmu/rna/seed0"
    assert len(targets.records) == 9 and len(targets.attack_manifests) == 3 and len(targets.cell_measures) == 6
    assert f"{cell}/relearn/records.parquet" in targets.records
    assert f"{cell}/none/measures.json" in targets.cell_measures
    assert targets.measured("latents") == [] and targets.retain_log == []
    tofu = Study(load_study("tofu"), ROOT).targets.measured("memorisation")
    assert [path for path in tofu if path.endswith("retrained.parquet")] == tofu[-1:]


def test_one_job_serves_all_seeds_or_each_its_own(default):
    apart = Study({"batch_seeds": False}, ROOT)
    assert default.paths.each_seed("a/seed{seed}/b") == ["a/seed0/b", "a/seed1/b", "a/seed2/b"]
    assert apart.paths.each_seed("a/seed{seed}/b") == ["a/seed{seed}/b"]
    assert default.parameters.seeds(of()) == [0, 1, 2] and apart.parameters.seeds(of(seed="2")) == [2]


def test_results_that_are_reused_lie_in_the_other_studys_tree():
    paths = Study({"study": {"results": "results/mine", "reuse_results": "results/theirs"}}, ROOT).paths
    assert paths.delta.startswith("results/theirs/cells/") and paths.scratch == "results/theirs/scratch"
    assert paths.logs == "results/mine/logs" and paths.landing == "results/mine/tables/report.rst"


def test_a_control_reads_the_cell_that_it_is_matched_to(default):
    ask = default.parameters
    stopped, plain = of(method="rmu", defence="early-stop"), of(method="rmu", defence="none")
    cells = "results/cells/smollm2-135m-instruct/elements/rmu/rna"
    assert ask.matched("delta.safetensors")(stopped) == [f"{cells}/seed{seed}/delta.safetensors" for seed in (0, 1, 2)]
    assert ask.select_questions(stopped) == ["results/benchmarks/smollm2-135m-instruct/elements/questions.parquet"]
    assert ask.select_batch_size(stopped) == 48
    assert (ask.matched("delta.safetensors")(plain), ask.select_questions(plain), ask.select_batch_size(plain)) == (
        [],
        [],
        None,
    )


def test_a_part_of_a_benchmark_is_no_more_than_its_named_keys(default):
    part = default.parameters.benchmark("seed", "forget.domain", "forget.items", "texts")(of())
    assert part == {"seed": 7, "forget": {"domain": "elements"}}


def test_sources_are_those_that_a_benchmarks_texts_or_items_read():
    ask = Study(load_study("wmdp-smoke"), ROOT).parameters
    where = SimpleNamespace(benchmark="wmdp")
    assert ask.sources("open")(where) == []
    assert {"resources/sources/" + name for name in ask.readers("items")(where)} == set(ask.sources("items")(where))
    assert set(ask.readers("items")(where).values()) == {"mmlu", "wmdp"}


def test_memorisation_runs_its_attack_and_reads_what_its_protocol_asks():
    ask = Study(load_study("tofu"), ROOT).parameters
    where = Wildcards(fromdict={"model": "tofu-full", "benchmark": "tofu", "measure": "memorisation"})
    name, entry = ask.measure_attack(where)
    assert name == "relearn" and entry["kind"] == "relearn"
    assert set(ask.measure_input(where)) == {"corpora", "questions"}
    assert ask.measure_input(where)["questions"] == f"{ask.paths.tree}/open_questions/tofu.parquet"


def test_searches_are_those_of_trained_methods_and_follow_a_methods_own(default):
    tuning = default.tuning
    searched = [(search["kind"], search["method"]) for search in tuning.searches()]
    assert sorted(searched) == sorted([
        ("methods", "rmu"), ("methods", "rsv"), ("methods", "npo-kl"), ("noise", "rmu"), ("noise", "rsv"),
        ("noise", "npo-kl"), ("attack", "rmu"), ("attack", "npo-kl"),
    ])  # fmt: skip
    assert len(tuning.chosen()) == 8
    assert not {"steps", "learning_rate"} & tuning.method(of(kind="methods", method="rmu")).keys()
    assert tuning.method(of(kind="noise", method="rmu"))["steps"] == 60
    assert tuning.grid(of(kind="methods", method="rmu"))["retain_weight"] == [100.0, 300.0, 1000.0]
    (chosen,) = tuning.chosen_method(of(kind="noise", method="rmu"))
    assert chosen == "results/tuning/smollm2-135m-instruct/elements/methods/rmu/chosen.json"
    assert tuning.chosen_method(of(kind="methods", method="rmu")) == []


def test_a_job_that_is_submitted_again_gets_more():
    assert [growing(300)(None, attempt) for attempt in (1, 2, 3)] == [300, 600, 900]
    assert growing(lambda wildcards: wildcards.number)(SimpleNamespace(number=7), 2) == 14


def test_a_larger_model_is_held_three_times_and_by_every_process_with_its_cache(default):
    large = Study({"models": {PLACE["model"]: {"shape": SHAPE}}, "methods": {"rmu": {"parallel": {"processes": 2}}}},
                  ROOT).requests  # fmt: skip
    assert large.size_of(PLACE["model"]) == pytest.approx(MEGABYTES)
    assert large.with_model(6000)(of()) == 6000 + round(3 * MEGABYTES)
    assert large.fetching(of()) == 4000 + round(2 * MEGABYTES) and default.requests.fetching(of()) == 4000
    assert (
        large.attack_minutes(of(attack="relearn")) == 120 and default.requests.attack_minutes(of(attack="gcg")) == 120
    )
    cache = 2 * 560 * 48 * 4096 * 2 / 1e6
    assert large.training(of(method="rmu")) == pytest.approx(2 * (4000 + 3 * MEGABYTES + cache), abs=3)
    assert default.requests.with_model(6000)(of()) == 6000 and default.requests.training(of(method="rmu")) == 4000
    assert default.requests.small() and not large.small()


def test_a_long_search_against_a_larger_model_gets_more_time():
    asked = of(model="zephyr-7b-beta", benchmark="wmdp", attack="gcg-enhanced")
    stated, minutes = load_study("rna-paper"), []
    for steps in (1000, 2000):
        stated["attacks"]["gcg-enhanced"]["parameters"]["steps"] = [100, steps]
        minutes.append(Study(stated, ROOT).requests.attack_minutes(asked))
    assert minutes[0] > 240 and minutes[1] == pytest.approx(2 * minutes[0], rel=0.1)


def test_what_a_job_fetches_is_known_by_its_script():
    job = SimpleNamespace(rule=SimpleNamespace(script="../workflow_scripts/fetch_model.py"), params={"model": {"a": 1}})
    other = SimpleNamespace(rule=SimpleNamespace(script="../workflow_scripts/unlearn.py"), params={"model": {}})
    whole = SimpleNamespace(rule=SimpleNamespace(script=None), params={})
    assert fetched_entries([job, other, whole]) == [("model", {"a": 1})]


def test_no_computing_job_counts_the_code_of_tables_figures_or_pages(monkeypatch):
    def modules(*names):
        seen, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += digests._module(name)[1]
        return sorted(seen)

    monkeypatch.setattr(digests, "code_digest", modules)
    monkeypatch.setattr(computed, "code_digest", modules)
    with reading_once():
        rules = Rules()
        shown = ("analysis.", "report.", "figures.", "estimate.", "workflow.")
        counted = {}
        for name, wildcards in default_jobs():
            code = rules.recorded[name].params[1].get("code")
            code = code(Wildcards(fromdict=dict(wildcards))) if callable(code) else code
            counted.setdefault(name, set()).update(code or ())
    assert {"training.unlearning", "methods.rmu", "defences.rna"} <= counted["unlearn"]
    for name, names in counted.items():
        if name not in (
            "figure",
            "findings",
            "claims",
            "index",
            "landing",
            "page",
            "published",
        ) and not name.startswith("tables"):
            assert not [module for module in names if module.startswith(shown)], name
