"""What the configuration refuses: each by one line that names the key and the mend."""

import pytest
from refusals import GONE, MADE, MEASURE, changed, message_of

from unlearning_robustness.config import schema

STABLE = "{label: s, kind: stableun, parameters: {inner_radius: 2.0, sap_radius: %s}}"
LANDSCAPE = "{attack: %s, documents: 8, tokens: 32, line: [0.0, 1.0], plane: %d, extent: %s}"
SHARPNESS = (
    "{documents: 8, tokens: 32, radii: [0.5], share: 0.05, draws: 8, trace_draws: 8, eigenvalues: 5, iterations: 12, "
    "lipschitz_draws: 4, divergence: %s}"
)
LAT = "{label: s, kind: latent-adversarial, parameters: {%s}}"
HUB = "{repository: lab/m, revision: 0123456789abcdef0123456789abcdef01234567}"
REFUSED = [
    ("scoring", "{splits: [select, test]}", ["attacks.relearn.roles:", "[forget, retain]"]),
    ("scoring", "{splits: [select]}", ["scoring.splits:"]),
    ("scoring", "{splits: [test, held-out]}", ["scoring.splits", "held-out"]),
    ("analysis/interactions", "[[rna, early-stop]]", ["analysis.interactions:", "'rna.early-stop'", "a dot"]),
    ("analysis/interactions", "[[rna, sam]]", ["analysis.interactions:", "'sam'", "study.cells"]),
    ("analysis/utility_bound", "-0.1", ["analysis.utility_bound:"]),
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
    ("tuning/attack/attack", "logit-lens", ["tuning.attack.attack:", "takes no relearning steps"]),
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
    (
        "models/smollm2-135m-instruct/memorised",
        MADE % 16,
        ["models.smollm2-135m-instruct.memorised:", "give both or neither"],
    ),
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
        "{from: smollm2-135m-instruct, memorised: %s}" % (MADE.replace("[forget]", "[benign]") % 16),
        ["models.a.memorised.corpora.0:", "'benign'"],
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
    ("probes/plain/token", "none", ["probes.plain:", "'token'", "insert"]),
    ("methods/rmu/learning_rate", "1e-5", ["methods.rmu.learning_rate:", "number", "'1e-5'", "1.0e-5"]),
    ("analysis/confidence", "9e-1", ["analysis.confidence:", "number", "1.0e-5"]),
    ("tuning/methods/rmu/learning_rate", "[1e-3]", ["tuning.methods.rmu.learning_rate.0:", "1.0e-5"]),
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
    ("attacks/gcg-retain/parameters/match", "answer", ["attacks.gcg-retain.parameters.role:", "leave match out"]),
    ("attacks/gcg/parameters/top_k", "0", ["attacks.gcg.parameters.top_k:", "at least 1"]),
    ("attacks/quantise-torchao/parameters/bits", "[16]", ["attacks.quantise-torchao.parameters.bits:", "at most 8"]),
    ("attacks/gcg/parameters/held_out", "-1", ["attacks.gcg.parameters.held_out:", "at least 0"]),
    ("attacks/characters/parameters/every", "[3, -1]", ["attacks.characters.parameters.every:", "at least 0, not -1"]),
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
    (
        "study/cells",
        "[{methods: [rmu], defences: [none], attacks: [relearn]}]",
        ["study.cells:", "attack 'none'", "unattacked"],
    ),
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
    (
        "study/cells/1/defences",
        "[rna.rna-weak]",
        ["study.cells.1.defences:", "'rna.rna-weak'", "both replace the reference noise"],
    ),
    ("study/cells/1/defences", "[rna.early-stop]", ["study.cells.1.defences:", "'rna.early-stop'", "combined"]),
    ("study/cells/0/defences", "[none, rna]", ["study.cells.0", "reference", "use none"]),
    ("defences/early-stop/parameters/match", "early-stop", ["defences.early-stop.parameters.match:", "itself matched"]),
    (
        "defences/gradient-noise/parameters/match",
        "gradient-noise",
        ["defences.gradient-noise.parameters.match:", "itself matched"],
    ),
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
    ("probes/forget-token", "{label: x, mode: prefix}", ["probes.forget-token.insert:", "prefix"]),
    ("analysis/attack", "relern", ["analysis.attack", "'relern'"]),
    ("analysis/forget_token_probe", "nowhere", ["analysis.forget_token_probe", "'nowhere'"]),
    ("probes/forget-token/max_facts", "10", ["analysis", "forget-token", "max_facts"]),
    ("study/probes", "[plain, forget-token]", ["analysis.neutral_token_probe", "'neutral-token'"]),
    ("defences/rna/per_method", "{rmx: {noise_scale: 2.0}}", ["defences.rna.per_method", "'rmx'"]),
    ("tuning/methods/rmx", "{steps: 1, learning_rate: [1.0], retain_weight: [1.0]}", ["tuning.methods", "'rmx'"]),
    ("tuning/noise/defence", "rnx", ["tuning.noise.defence", "'rnx'"]),
    ("tuning/attack/attack", "relern", ["tuning.attack.attack", "'relern'"]),
    ("analysis/comparisons", "[[rna, rnx]]", ["analysis.comparisons:", "'rnx'"]),
    (
        "tuning/defences",
        "{attack: relearn, methods: [rmu], grids: {rnx: {radius: [1.0]}}}",
        ["tuning.defences.grids:", "'rnx'"],
    ),
    (
        "tuning/defences",
        "{attack: relearn, methods: [rmu], grids: {rna: {radius: [1.0]}}}",
        ["tuning.defences.grids.rna.radius:", "noise_scale"],
    ),
    (
        "tuning/defences",
        "{attack: relearn, methods: [rmu], grids: {rna: {noise_scale: [1e0]}}}",
        ["tuning.defences.grids.rna.noise_scale:", "number"],
    ),
    ("analysis/comparisons", "[[rna]]", ["analysis.comparisons.0:"]),
    ("benchmarks/elements/forget/splits", "{select: 2, test: 4}", ["benchmarks.elements.forget.splits", "relearn"]),
    ("study", "[1]", ["study: must be a mapping, not [1]"]),
    ("methods/rmu", "[1]", ["methods.rmu: must be a mapping, not [1]"]),
    ("methods/rmu", "3", ["methods.rmu: must be a mapping, not 3"]),
    ("methods/adaptive-rmu", "[1]", ["methods.adaptive-rmu: must be a mapping, not [1]"]),
    ("methods/adaptive-rmu/like", "[rmu]", ["methods.adaptive-rmu.like: must be the id of another entry", "['rmu']"]),
    ("methods/adaptive-rmu/like", "{rmu: 1}", ["methods.adaptive-rmu.like: must be the id of another entry"]),
    ("methods/adaptive-rmu/like", "3", ["methods.adaptive-rmu.like: must be the id of another entry", "not 3"]),
    ("methods/rmu/learning_rate", ".nan", ["methods.rmu.learning_rate: must be a finite number, not nan"]),
    ("methods/rmu/parameters/coefficient", ".inf", ["methods.rmu.parameters.coefficient: must be a finite", "inf"]),
    ("tuning/noise/noise_scale", "[1.0, .inf]", ["tuning.noise.noise_scale.1: must be a finite number, not inf"]),
    (
        "attacks/relearn/parameters/learning_rate",
        ".inf",
        ["attacks.relearn.parameters.learning_rate: must be a finite"],
    ),
    ("defences/rna/parameters/noise_scale", ".nan", ["defences.rna.parameters.noise_scale: must be a finite"]),
]
# What keys were called, and what each is called today.
RENAMED = [
    ("seeds_together", "false", "config: 'seeds_together' is called 'batch_seeds' today"),
    ("selection", "{}", "config: 'selection' is called 'tuning' today"),
    ("study/shares", "results", "study: 'shares' is called 'reuse_results' today"),
    ("tuning/retain_margin", "0.05", "tuning: 'retain_margin' is called 'utility_bound' today"),
    ("analysis/retain_margin", "0.05", "analysis: 'retain_margin' is called 'utility_bound' today"),
    (
        "benchmarks/elements/retain/most_facts",
        "{test: 2}",
        "benchmarks.elements.retain: 'most_facts' is called 'max_facts' today",
    ),
    ("probes/plain/most_facts", "2", "probes.plain: 'most_facts' is called 'max_facts' today"),
    ("probes/forget-token/tokens", "forget", "probes.forget-token: 'tokens' is called 'insert' today"),
    (
        "attacks/gcg/parameters/tokens",
        "12",
        "attacks.gcg.parameters.tokens: 'tokens' is called 'inserted_tokens' today",
    ),
    (
        "attacks/orthogonalise/parameters/margin",
        "0.05",
        "attacks.orthogonalise.parameters.margin: 'margin' is called 'utility_bound' today",
    ),
    ("attacks/prune/parameters/margin", "0.05", "'margin' is called 'utility_bound' today"),
    ("attacks/prefill/parameters/retain_margin", "0.05", "'retain_margin' is called 'utility_bound' today"),
]


@pytest.mark.parametrize(("place", "text", "parts"), REFUSED, ids=[f"{row[0]}={row[1]}" for row in REFUSED])
def test_bad_input_is_refused_by_one_line_that_names_key_and_mend(config, tmp_path, place, text, parts):
    message = message_of(changed(config, place, text, tmp_path))
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("place", "text", "said"), RENAMED, ids=[row[0] for row in RENAMED])
def test_an_old_key_is_refused_by_one_line_that_names_the_new_one(config, tmp_path, place, text, said):
    assert f"{said}; rename it" in message_of(changed(config, place, text, tmp_path))


@pytest.mark.parametrize("place", ["study/tokens", "methods/rmu/margin", "attacks/quantise/parameters/tokens"])
def test_an_old_word_where_it_never_stood_is_an_unknown_key(config, tmp_path, place):
    message = message_of(changed(config, place, "1", tmp_path))
    assert "unknown" in message and "today" not in message


def test_every_old_key_that_is_known_is_tested():
    assert {row[0].split("/")[-1] for row in RENAMED} == set(schema.RENAMED)
