import copy
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from unlearning_robustness.config import ConfigError, defence_row, resolve
from unlearning_robustness.config.cells import retrain_of
from unlearning_robustness.config.schema import schema

ROOT = Path(__file__).parents[2]
GONE = "<gone>"


@pytest.fixture
def config():
    loaded = load_configfile(ROOT / "config.yaml")
    loaded["defences"]["weight-noise"] = {"label": "noise", "kind": "weight-noise", "parameters": {"match": "none"}}
    return loaded


def changed(config, place, text, folder):
    """The configuration with the value at a place replaced by YAML text, read as Snakemake reads it."""
    *way, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    entry = config
    for step in way:
        entry = entry[step]
    if text == GONE:
        del entry[last]
    else:
        (folder / "value.yaml").write_text(f"value: {text}\n")
        entry[last] = load_configfile(folder / "value.yaml")["value"]
    return config


def message_of(config):
    with pytest.raises(ConfigError) as raised:
        resolve(config)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text


MADE = "{benchmark: elements, corpora: [forget], steps: 2, learning_rate: 1.0e-4, batch_size: 2, tokens: %s}"
MEASURE = "{documents: 4, prompt_tokens: 8, continuation_tokens: 8, questions: 4, shots: 1, answer_tokens: 4, %s}"
STABLE = "{label: s, kind: stableun, parameters: {inner_radius: 2.0, sap_radius: %s}}"
LANDSCAPE = "{attack: %s, documents: 8, tokens: 32, line: [0.0, 1.0], plane: %d, extent: %s}"
SHARPNESS = (
    "{documents: 8, tokens: 32, radii: [0.5], share: 0.05, draws: 8, trace_draws: 8, eigenvalues: 5, iterations: 12, "
    "lipschitz_draws: 4, divergence: %s}"
)
LAT = "{label: s, kind: latent-adversarial, parameters: {%s}}"
HUB = "{repository: lab/m, revision: 0123456789abcdef0123456789abcdef01234567}"
REFUSED = [
    ("methods/rmu/trained", "lora", ["methods.rmu.lora:", "rank, alpha and targets"]),
    ("methods/rmu/lora", "{rank: 4, alpha: 8.0, targets: [q_proj]}", ["methods.rmu.lora:", "down-projections"]),
    ("methods/rmu/lora", "{rank: 4, alpha: 8.0}", ["methods.rmu.lora:", "'targets' is missing"]),
    (
        "defences/sam",
        "{label: s, kind: sam, parameters: {radius: 0.0}}",
        ["defences.sam.parameters.radius:", "above 0"],
    ),
    ("defences/sam", "{label: s, kind: sam, parameters: {radius: -1.0}}", ["defences.sam.parameters.radius:", "-1.0"]),
    ("defences/s", STABLE % "2.0", ["defences.s.parameters.sap_radius:", "inner_radius 2.0", "twice"]),
    (
        "defences/s",
        "{label: s, kind: randomised-smoothing, parameters: {scale: 0.0}}",
        ["s.parameters.scale:", "above 0"],
    ),
    (
        "defences/s",
        "{label: s, kind: sam, parameters: {radius: 1.0}, per_method: {rmu: {radius: 0.0}}}",
        ["defences.s.per_method.rmu.radius:", "above 0"],
    ),
    ("defences/s", "{label: s, kind: randomised-smoothing, parameters: {scale: 1.0, draws: 0}}", ["draws:", "least 1"]),
    ("defences/s", "{label: s, kind: dropout, parameters: {rate: 1.0}}", ["defences.s.parameters.rate:", "below 1"]),
    ("defences/s", LAT % "radius: 0.0", ["defences.s.parameters.radius:", "above 0"]),
    ("defences/s", LAT % "radius: -0.1", ["defences.s.parameters.radius:", "-0.1"]),
    ("defences/s", LAT % "radius: 0.1, steps: 0", ["defences.s.parameters.steps:", "least 1"]),
    ("defences/s", LAT % "radius: 0.1, step_size: 0.0", ["defences.s.parameters.step_size:", "above 0"]),
    ("defences/s", LAT % "radius: 0.1, place: above", ["defences.s.parameters.place:", "entering, leaving"]),
    (
        "defences/s",
        "{label: s, kind: sam, parameters: {radius: 1.0, implementation: right}}",
        ["defences.s.parameters.implementation:", "corrected, released"],
    ),
    ("analysis/attack", "quantise", ["analysis.attack:", "takes no relearning steps"]),
    ("landscape", LANDSCAPE % ("prune", 3, 1.0), ["landscape.attack:", "takes no relearning steps"]),
    ("selection/attack/attack", "logit-lens", ["selection.attack.attack:", "takes no relearning steps"]),
    ("attacks/quantise/parameters/bits", "[32]", ["attacks.quantise.parameters.bits:", "at most 16"]),
    ("attacks/quantise/parameters/group_size", "0", ["attacks.quantise.parameters.group_size:", "least 1"]),
    ("attacks/prune/parameters/texts", "0", ["attacks.prune.parameters.texts:", "least 1"]),
    ("attacks/prune/parameters/fractions", "[5.0]", ["attacks.prune.parameters.fractions:", "write 5 % as 0.05"]),
    ("attacks/weight-noise/parameters/scales", "[1e-3]", ["scales:", "in YAML write"]),
    ("methods/rmu/variant_of", "rmx", ["methods.rmu.variant_of:", "'rmx'", "npo-mse, rmu, rsv"]),
    ("methods/rmu/variant_of", "rmu", ["methods.rmu.variant_of:", "itself"]),
    ("methods/rmu/like", "rmx", ["methods.rmu.like:", "'rmx'"]),
    ("models/a", "{from: b, memorised: %s}" % (MADE % 16), ["models.a.from:", "'b'"]),
    ("models/a", "{from: smollm2-135m-instruct}", ["models.a:", "'memorised' is missing"]),
    ("models/a", "{license: MIT}", ["models.a:", "'note' is missing"]),
    ("models/smollm2-135m-instruct/memorised", MADE % 16, ["models.smollm2-135m-instruct.memorised:", "give it from"]),
    (
        "models/a",
        "{like: smollm2-135m-instruct, from: smollm2-135m-instruct, memorised: %s}" % (MADE % 16),
        ["models.a:", "exactly one of", "package and from is given"],
    ),
    ("models/a", "{from: a, memorised: %s}" % (MADE % 16), ["models.a.from:", "'a'", "name a fetched one"]),
    (
        "models/a",
        "{from: smollm2-135m-instruct, memorised: {benchmark: b, corpora: [forget], steps: 2, learning_rate: 1.0, "
        "batch_size: 2, tokens: 4}}",
        ["models.a.memorised.benchmark:", "'b'"],
    ),
    (
        "models/a",
        "{from: smollm2-135m-instruct, memorised: %s}" % (MADE.replace("[forget]", "[retain]") % 16),
        ["models.a.memorised.corpora.0:", "'retain'"],
    ),
    ("methods/retrained", "{like: rmu}", ["methods.retrained:", "taken"]),
    ("study/memorisation", "[{methods: [rmu], defences: [none]}]", ["study.memorisation", "key memorisation"]),
    ("memorisation", MEASURE % "retrain: {model: a, auc: 0.5}", ["memorisation.retrain:"]),
    ("memorisation", MEASURE % "shot: 1", ["memorisation:", "unknown key 'shot'"]),
    ("study/latents", "[{methods: [rmu], defences: [none]}]", ["study.latents", "under the key latents"]),
    ("study/landscape", "[{methods: [rmu], defences: [none]}]", ["study.landscape", "under the key landscape"]),
    ("landscape", LANDSCAPE % ("relern", 3, 1.0), ["landscape.attack:", "'relern'", "relearn-few"]),
    ("landscape", LANDSCAPE % ("relearn", 4, 1.0), ["landscape.plane:", "4 points", "odd"]),
    ("landscape", LANDSCAPE % ("relearn", 1, 1.0), ["landscape.plane:", "3"]),
    ("landscape", LANDSCAPE % ("relearn", 3, 0.0), ["landscape.extent:", "0"]),
    ("landscape", LANDSCAPE.replace("line", "lines") % ("relearn", 3, 1.0), ["landscape:", "'lines'", "line"]),
    ("sharpness", SHARPNESS % "{draws: 2}", ["sharpness.divergence:", "one of share", "norm"]),
    ("sharpness", SHARPNESS % "{draws: 2, share: 0.1, norm: 1.0}", ["sharpness.divergence:", "one of share", "norm"]),
    ("sharpness", SHARPNESS % "{draws: 1, share: 0.1}", ["sharpness.divergence.draws:", "2"]),
    ("sharpness", SHARPNESS % "{share: 0.1}", ["sharpness.divergence:", "'draws' is missing"]),
    ("metods", "{}", ["config:", "unknown key 'metods'", "methods"]),
    ("study/colour", "red", ["study:", "unknown key 'colour'", "figures"]),
    ("methods/rmu/learn_rate", "1.0", ["methods.rmu:", "unknown key 'learn_rate'", "learning_rate"]),
    ("probes/plain/token", "none", ["probes.plain:", "'token'", "tokens"]),
    ("methods/rmu/learning_rate", "1e-5", ["methods.rmu.learning_rate:", "number", "'1e-5'", "1.0e-5"]),
    ("analysis/confidence", "9e-1", ["analysis.confidence:", "number", "1.0e-5"]),
    ("selection/methods/rmu/learning_rate", "[1e-3]", ["selection.methods.rmu.learning_rate.0:", "1.0e-5"]),
    ("methods/rmu/parameters/coefficient", "3e2", ["methods.rmu.parameters.coefficient:", "number", "1.0e-5"]),
    ("attacks/relearn/parameters/learning_rate", "1e-3", ["attacks.relearn.parameters.learning_rate:", "1.0e-5"]),
    ("defences/rna/parameters/noise_scale", "2e0", ["defences.rna.parameters.noise_scale:", "number", "1.0e-5"]),
    ("defences/rna/per_method", "{rmu: {noise_scale: 2e0}}", ["defences.rna.per_method.rmu.noise_scale:", "1.0e-5"]),
    ("study/title", "5", ["study.title:", "string", "not 5"]),
    ("study/seeds", "3", ["study.seeds:", "not 3"]),
    ("study/seeds", "[]", ["study.seeds:"]),
    ("methods/rmu/steps", "2.5", ["methods.rmu.steps:", "integer", "not 2.5"]),
    ("methods/rmu/learning_rate", "0.0", ["methods.rmu.learning_rate:", "0"]),
    ("methods/rmu/parameters/coefficient", "true", ["methods.rmu.parameters.coefficient:", "number", "not True"]),
    ("methods/rmu/parameters/steering", "diagonal", ["methods.rmu.parameters.steering:", "uniform, gaussian"]),
    ("attacks/relearn/parameters/documents", "60", ["attacks.relearn.parameters.documents:", "list", "not 60"]),
    ("attacks/relearn/parameters/steps", '[2, "5"]', ["attacks.relearn.parameters.steps", "'5'"]),
    ("attacks/relearn/parameters/steps", "[]", ["attacks.relearn.parameters.steps"]),
    (
        "attacks/relearn/parameters/epochs",
        "[1]",
        ["attacks.relearn.parameters.epochs:", "one of steps and epochs", "both"],
    ),
    ("attacks/relearn/parameters/steps", GONE, ["attacks.relearn.parameters.epochs:", "neither"]),
    ("attacks/relearn/parameters/steps", "null", ["attacks.relearn.parameters.epochs:", "neither"]),
    ("attacks/relearn/parameters/epochs", "2", ["attacks.relearn.parameters.epochs:", "list", "not 2"]),
    ("attacks/relearn/parameters/documents", "null", ["attacks.relearn.parameters.documents:", "list", "not None"]),
    ("attacks/relearn/parameters/corpus", "wiki", ["attacks.relearn.parameters.corpus:", "neighbour, benign, seen"]),
    (
        "attacks/relearn/parameters/trained",
        "all",
        ["attacks.relearn.parameters.trained:", "down-projections, full, lora"],
    ),
    ("attacks/gcg/parameters/match", "representation", ["attacks.gcg.parameters.layer:", "missing"]),
    ("attacks/gcg/parameters/layer", "3", ["attacks.gcg.parameters.layer:", "only match: representation"]),
    ("attacks/gcg/parameters/top_k", "0", ["attacks.gcg.parameters.top_k:", "at least 1"]),
    ("attacks/characters/parameters/every", "[3, 0]", ["attacks.characters.parameters.every:", "at least 1"]),
    ("attacks/relearn/parameters/rank", "0", ["attacks.relearn.parameters.rank:", "at least 1"]),
    (
        "attacks/relearn/parameters",
        "{documents: [20, 42], epochs: [1], learning_rate: 1.0e-3, batch_size: 4, tokens: 32}",
        ["attacks.relearn.parameters.documents:", "42", "batch_size 4", "give 44"],
    ),
    ("models/smollm2-135m-instruct/device", "tpu", ["models.smollm2-135m-instruct.device:", "tpu", "cuda"]),
    ("models/smollm2-135m-instruct/sha256", "abc", ["models.smollm2-135m-instruct.sha256:", "64"]),
    ("models/m", "{license: x, note: x}", ["models.m:", "exactly one of package, hub, path", "none"]),
    ("models/m", f"{{path: here, hub: {HUB}, license: x, note: x}}", ["models.m:", "hub and path is given"]),
    ("models/m", "{path: here, file: x, license: x, note: x}", ["models.m.file:", "belongs to a package", "path"]),
    ("models/smollm2-135m-instruct/version", GONE, ["models.smollm2-135m-instruct:", "'version' is missing"]),
    (
        "models/m",
        "{hub: {repository: lab/m, revision: main}, license: x, note: x}",
        ["models.m.hub.revision:", "'main' is no commit", "https://huggingface.co/lab/m/commits/main"],
    ),
    ("models/m", "{hub: {repository: a/b/c, revision: x}, license: x, note: x}", ["models.m.hub.repository:"]),
    ("models/m", "{hub: {repository: lab/m}, license: x, note: x}", ["models.m.hub:", "'revision' is missing"]),
    ("models/m", "{hub: {repository: m, revision: x, branch: y}, license: x, note: x}", ["models.m.hub:", "'branch'"]),
    (
        "sources",
        "{s: {reader: muse, files: {a: a.csv}, license: x, note: x}}",
        ["sources.s:", "exactly one of hub, path"],
    ),
    (
        "sources",
        "{s: {hub: {repository: lab/s, revision: FILL-IN}, reader: muse, files: {a: a.csv}, license: x, note: x}}",
        ["sources.s.hub.revision:", "'FILL-IN' is no commit", "https://huggingface.co/datasets/lab/s/commits/main"],
    ),
    (
        "sources",
        "{s: {path: here, reader: muse, files: {a: a.pkl}, license: x, note: x}}",
        ["sources.s.files.a:", "a.pkl"],
    ),
    ("sources", "{s: {path: here, reader: muse, files: {}, license: x, note: x}}", ["sources.s.files:"]),
    ("sources", "{s: {path: here, reader: x, files: {a: a.csv}, license: x, note: x}}", ["sources.s.reader:", "wmdp"]),
    ("benchmarks/elements/forget/items", "[s/a]", ["benchmarks.elements.forget:", "needs domain and no items"]),
    ("benchmarks/elements/retain/domain", GONE, ["benchmarks.elements.retain:", "needs domain"]),
    ("benchmarks/elements/texts", "{forget: [s/a], retain: [s/a]}", ["benchmarks.elements.forget:", "needs items"]),
    ("study/models", "[gpt]", ["study.models:", "'gpt'", "smollm2-135m-instruct"]),
    ("study/benchmarks", "[wmdp]", ["study.benchmarks:", "'wmdp'", "elements"]),
    ("study/probes", "[plane]", ["study.probes:", "'plane'", "plain"]),
    ("study/figures", "[pie]", ["study.figures:", "'pie'", "accuracy"]),
    ("study/cells/1/methods", "[rmx]", ["study.cells.1.methods:", "'rmx'", "npo-mse, rmu, rsv"]),
    ("study/cells/1/defences", "[rnx]", ["study.cells.1.defences:", "'rnx'", "rna-weak"]),
    ("study/cells/1/defences", "[rna.rnx]", ["study.cells.1.defences:", "'rnx'"]),
    ("study/cells/1/attacks", "[relern]", ["study.cells.1.attacks:", "'relern'", "relearn-few"]),
    ("study/name", "My Study", ["study.name:", "'My Study'", "lower-case"]),
    ("methods/RMU!", "{}", ["methods:", "'RMU!'", "lower-case"]),
    ("study/seeds", GONE, ["study:", "'seeds' is missing"]),
    ("methods/rmu/steps", GONE, ["methods.rmu:", "'steps' is missing"]),
    ("methods/rmu/parameters/gamma", "1", ["methods.rmu.parameters.gamma:", "unknown", "coefficient, steering"]),
    ("defences/rna/parameters/nu", "1", ["defences.rna.parameters.nu:", "unknown", "noise_scale"]),
    ("methods/rmu/parameters/coefficient", GONE, ["methods.rmu.parameters.coefficient:", "missing"]),
    ("attacks/relearn/parameters/tokens", GONE, ["attacks.relearn.parameters.tokens:", "missing"]),
    ("methods/rmu/forget_loss", "rmv", ["methods.rmu.forget_loss", "'rmv'", "npo, rab, rmu, rsv, simnpo"]),
    ("methods/rmu/retain_loss", "l2", ["methods.rmu.retain_loss:", "activation"]),
    ("methods/rmu/retain_loss", "kl", ["methods.rmu.retain_loss:", "activation"]),
    ("methods/npo-kl/retain_loss", "activation", ["methods.npo-kl.retain_loss:", "kl"]),
    ("defences/rna/kind", "rnx", ["defences.rna.kind", "'rnx'", "more-steps, randomised-smoothing, rna"]),
    ("attacks/relearn/kind", "tune", ["attacks.relearn.kind", "'tune'", "relearn"]),
    ("study/cells/1/defences", "[rna.rna-weak]", ["study.cells.1.defences:", "'rna.rna-weak'", "different kinds"]),
    ("study/cells/1/defences", "[rna.early-stop]", ["study.cells.1.defences:", "'rna.early-stop'", "combined"]),
    ("study/cells/0/defences", "[none, rna]", ["study.cells.0", "reference", "use none"]),
    ("defences/early-stop/parameters/match", "early-stop", ["defences.early-stop.parameters.match:", "early stop"]),
    ("defences/early-stop/parameters/match", "rnx", ["defences.early-stop.parameters.match:", "'rnx'"]),
    (
        "defences/early-stop/parameters/match",
        "weight-noise",
        ["defences.early-stop.parameters.match:", "'weight-noise' is itself matched", "trained"],
    ),
    ("study/cells/1/defences", "[rna.weight-noise]", ["study.cells.1.defences:", "'rna.weight-noise'", "combined"]),
    ("methods/rmu/layers", "[5, 6, 8]", ["methods.rmu.layers:", "8", "read layer 7"]),
    ("methods/npo-kl/parameters/beta", "0", ["methods.npo-kl.parameters.beta:", "above 0"]),
    ("probes/forget-token/count", "0", ["probes.forget-token.count:", "forget"]),
    ("probes/forget-token", "{label: x, mode: prefix}", ["probes.forget-token.tokens:", "prefix"]),
    ("analysis/attack", "relern", ["analysis.attack", "'relern'"]),
    ("analysis/forget_token_probe", "nowhere", ["analysis.forget_token_probe", "'nowhere'"]),
    ("probes/forget-token/most_facts", "10", ["analysis", "forget-token", "most_facts"]),
    ("study/probes", "[plain, forget-token]", ["analysis.neutral_token_probe", "'neutral-token'"]),
    ("defences/rna/per_method", "{rmx: {noise_scale: 2.0}}", ["defences.rna.per_method", "'rmx'"]),
    ("selection/methods/rmx", "{steps: 1, learning_rate: [1.0], retain_weight: [1.0]}", ["selection.methods", "'rmx'"]),
    ("selection/noise/defence", "rnx", ["selection.noise.defence", "'rnx'"]),
    ("selection/attack/attack", "relern", ["selection.attack.attack", "'relern'"]),
    ("analysis/comparisons", "[[rna, rnx]]", ["analysis.comparisons:", "'rnx'"]),
    (
        "selection/defences",
        "{attack: relearn, methods: [rmu], grids: {rnx: {radius: [1.0]}}}",
        ["selection.defences.grids:", "'rnx'"],
    ),
    (
        "selection/defences",
        "{attack: relearn, methods: [rmu], grids: {rna: {radius: [1.0]}}}",
        ["selection.defences.grids.rna.radius:", "noise_scale"],
    ),
    (
        "selection/defences",
        "{attack: relearn, methods: [rmu], grids: {rna: {noise_scale: [1e0]}}}",
        ["selection.defences.grids.rna.noise_scale:", "number"],
    ),
    ("analysis/comparisons", "[[rna]]", ["analysis.comparisons.0:"]),
    ("benchmarks/elements/forget/splits", "{select: 2, test: 4}", ["benchmarks.elements.forget.splits", "relearn"]),
]


@pytest.mark.parametrize(("place", "text", "parts"), REFUSED, ids=[f"{row[0]}={row[1]}" for row in REFUSED])
def test_bad_input_is_refused_by_one_line_that_names_key_and_mend(config, tmp_path, place, text, parts):
    message = message_of(changed(config, place, text, tmp_path))
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize("study", ["ci", "full", "rna", "stableun"])
def test_every_study_of_the_repository_resolves(config, study):
    update_config(config, load_configfile(ROOT / f"studies/{study}.yaml"))
    resolve(config)


def test_the_hint_about_numbers_is_given_only_where_a_number_belongs(config, tmp_path):
    assert "1.0e-5" not in message_of(changed(config, "study/figures", "accuracy", tmp_path))


@pytest.mark.parametrize(
    ("axis", "name"), [("methods", "reference"), ("defences", "none"), ("attacks", "none"), ("defences", "a.b")]
)
def test_a_definition_may_not_take_a_reserved_id(config, axis, name):
    config[axis][name] = copy.deepcopy(next(iter(config[axis].values())))
    assert name in message_of(config)


def test_the_default_configuration_resolves_with_defaults_filled_in(config):
    before = copy.deepcopy(config)
    resolved = resolve(config)
    assert config == before
    assert resolved["models"]["smollm2-135m-instruct"]["dtype"] == "auto"
    assert resolved["scoring"] == {"batch_size": 48}
    assert resolved["benchmarks"]["elements"]["neighbour_minimum"] == 40
    assert resolved["benchmarks"]["elements"]["forget"]["most_facts"] == {}
    assert resolved["probes"]["options"] == {
        **before["probes"]["options"],
        "tokens": "none",
        "vocabulary": "entities",
        "count": 0,
        "roles": ["retain"],
    }
    assert resolved["methods"]["rmu"]["weight_decay"] == 0.0
    assert resolved["methods"]["rmu"]["implementation"] == "corrected"
    assert resolved["attacks"]["relearn"]["parameters"]["warm_up"] == 2
    assert resolved["seeds_together"] is True


def test_given_values_win_over_defaults(config):
    config["scoring"] = {"batch_size": 5}
    config["methods"]["rsv"]["parameters"]["steering"] = "uniform"
    resolved = resolve(config)
    assert resolved["scoring"]["batch_size"] == 5
    assert resolved["methods"]["rsv"]["parameters"]["steering"] == "uniform"


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_keys_in_the_yaml_means_nothing(config):
    assert repr(resolve(reversed_keys(config))) == repr(resolve(config))


def test_a_defence_row_has_the_methods_own_values_and_the_order_of_its_parts(config):
    config["defences"]["rna"]["per_method"] = {"rsv": {"noise_scale": 9.0}}
    resolved = resolve(config)
    assert defence_row(resolved, "none", "rsv") == []
    row = defence_row(resolved, "gradient-noise.rna", "rsv")
    assert [(part["kind"], part["parameters"]["noise_scale"]) for part in row] == [
        ("gradient-noise", config["defences"]["gradient-noise"]["per_method"]["rsv"]["noise_scale"]),
        ("rna", 9.0),
    ]
    assert defence_row(resolved, "rna", "rmu")[0]["parameters"] == config["defences"]["rna"]["parameters"]


@pytest.mark.parametrize("defence", ["average", "history"])
def test_what_averages_weights_is_refused_where_adapters_are_trained(config, defence):
    config["defences"]["average"] = {
        "label": "a", "kind": "weight-averaging", "parameters": {"start": 1, "every": 1}}  # fmt: skip
    config["defences"]["history"] = {
        "label": "h", "kind": "stableun", "parameters": {"inner_radius": 1.0, "hws_decay": 0.9}}  # fmt: skip
    config["study"]["cells"].append({"methods": ["npo-kl"], "defences": [defence], "attacks": ["none"]})
    resolve(copy.deepcopy(config))
    config["methods"]["npo-kl"] |= {"trained": "lora", "lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj"]}}
    message = message_of(config)
    assert defence in message and "adapters" in message and "npo-kl" in message


def test_resolving_imports_no_torch():
    code = (
        "import sys, yaml; from unlearning_robustness.config import resolve;"
        "from unlearning_robustness.config import plan, provenance;"
        "resolve(yaml.safe_load(open('config.yaml'))); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_property_of_the_schema_is_read_by_the_code():
    places = {"src": "*.py", "rules": "*.smk", "workflow_scripts": "*.py"}
    code = "\n".join(path.read_text() for place, kind in places.items() for path in (ROOT / place).rglob(kind))
    code = code.replace("'", '"')
    properties = {name for part in schema()["$defs"].values() for name in part.get("properties", {})}
    # Probes are read under composed names: f"{name}_probe".
    unread = {name for name in properties if f'"{name}"' not in code and not name.endswith("_probe")}
    assert unread == set()


def measuring(config, settings, tokens, folder):
    """The default study with memorisation of plain RMU measured, on a model that memorised that many tokens."""
    changed(config, "models/made", f"{{from: smollm2-135m-instruct, memorised: {MADE % tokens}}}", folder)
    changed(config, "memorisation", settings, folder)
    return changed(config, "study/memorisation", "[{methods: [reference, rmu], defences: [none]}]", folder)


def test_what_a_measured_model_is_compared_with_must_be_known(config, tmp_path):
    config["study"]["cells"] = [{"methods": ["reference", "rmu"], "defences": ["none"], "attacks": ["none"]}]
    fetched = measuring(config, MEASURE % "", 16, tmp_path)
    message = message_of(fetched)
    assert "memorisation.retrain:" in message and "smollm2-135m-instruct" in message and "auc" in message
    config["study"]["models"] = ["made"]
    resolved = resolve(config)
    assert retrain_of(resolved, "made") == {"model": "smollm2-135m-instruct"}
    assert resolved["memorisation"]["least_likely"] == 0.4
    assert resolved["models"]["made"]["memorised"]["tensors"] == "all"
    config["memorisation"]["retrain"] = {"auc": 0.4772}
    assert retrain_of(resolve(config), "made") == {"auc": 0.4772}
    config["memorisation"]["retrain"] = {"model": "nowhere"}
    assert "memorisation.retrain.model: 'nowhere'" in message_of(config)


def test_measured_texts_must_not_be_longer_than_what_was_memorised(config, tmp_path):
    config["study"]["models"] = ["made"]
    message = message_of(measuring(config, MEASURE % "", 15, tmp_path))
    assert "models.made.memorised.tokens: 15" in message and "16" in message
    message = message_of(measuring(config, MEASURE % "attack: relern", 16, tmp_path))
    assert "memorisation.attack" in message and "'relern'" in message
    config["memorisation"].pop("attack")
    config["study"]["memorisation"][0]["defences"] = ["weight-decay"]
    assert "study.memorisation.0: reference with weight-decay" in message_of(config)
