"""A study in miniature: its own settings, kinds of cells and families of models, in seconds and without a download.

What decides how jobs fit together stays: the order of layers, losses, ways of training, number types, controls and what
they are matched to, probes, measures, figures, claims. What decides how long they take is cut: widths, steps, tokens,
texts, questions, draws; and of cells that differ in numbers alone one is kept.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from unlearning_robustness.config.activation_caches import cache_settings
from unlearning_robustness.config.cells import NONE, REFERENCE, defence_row, measured_cells, parts_of
from unlearning_robustness.config.layers import declared_depths, named_layers
from unlearning_robustness.config.worlds import generated_models

BATCH, TOKENS = 2, 16
# The most that a number of this name is, wherever it stands.
MOST = {
    "answer_tokens": 3, "batch_size": BATCH, "candidates": 3, "continuation_tokens": 4, "draws": 2, "eigenvalues": 2,
    "every": 1, "examples": 1, "bootstrap_samples": 20, "group_size": 16, "held_out": 2, "hessian_draws": 2,
    "hessian_questions": 2, "inserted_tokens": 3, "iterations": 3, "lipschitz_draws": 1, "longest_text": TOKENS,
    "noise_draws": 2, "plane": 3, "prompt_tokens": 4, "questions": 8, "skipped_tokens": 1, "start": 1, "steps": 2,
    "texts": 4, "tokens": TOKENS, "retain_tokens": TOKENS, "top_k": 8, "trace_draws": 2, "warm_up": 1, "max_facts": 3,
    "shots": 2, "perplexity_tokens": TOKENS, "perplexity_documents": 2, "retain_documents": 12,
    "forget_prose_documents": 12, "minimum_characters": 20, "longest_characters": 200, "neighbour_minimum": 0,
    "characteristic_ngrams": 3,
}  # fmt: skip
# Lists of numbers of this name become 1, 2, 3, ... times this.
COUNTED = {"documents": BATCH, "epochs": 1, "shots": 1, "steps": 1}
# Lists of which the first two are kept.
FIRST_TWO = ("documents", "every", "scales")
FACTS = {"select": 8, "test": 3}
MEASURES = ("latents", "sharpness", "landscape", "memorisation")


def miniature(resolved: dict, shapes: dict[str, dict], sources: dict[str, str], everywhere: bool) -> dict:
    """The resolved configuration of a study in miniature.

    ``shapes`` are the shapes of tiny models, which lie in folders named after them, by model; ``sources`` are folders
    of data. Every kind of cell on the first model and benchmark; or, ``everywhere``, a few kinds on all of them.
    """
    kept_layers = thinned_layers(resolved)
    whole = ("builds_on", "benchmarks", "scoring")
    config = {"scoring": resolved["scoring"]}
    config |= shortened({key: value for key, value in resolved.items() if key not in whole})
    config |= _renumbered({key: config[key] for key in ("methods", "attacks", "latents") if key in config}, kept_layers)
    config["benchmarks"] = {name: _small(entry) for name, entry in resolved["benchmarks"].items()}
    study, analysis = config["study"], resolved["analysis"]
    attack = resolved["attacks"][analysis["attack"]]
    early = sum(step <= analysis["early_steps"] for step in attack["parameters"]["steps"])
    searched = config.get("searches", {}).get(attack["search"], {"steps": [early]})["steps"]
    config["analysis"]["early_steps"] = min(early, *searched)
    study |= {"results": "results", "seeds": [0]}
    study.pop("reuse_results", None)
    study.pop("pairs", None)
    kept = list(kinds_of_cells(resolved, few=everywhere))
    kinds = {kind for kind, _ in kept}
    for key in ("knowing", "unknowing"):
        config["analysis"][key] = [pair for pair in analysis[key] if tuple(pair) in kinds]
    recorded = {(cell.method, cell.defence) for cell in measured_cells(resolved, "trajectory")}
    study["cells"] = [
        {"methods": [m], "defences": [d], "attacks": a, "trajectory": (m, d) in recorded} for (m, d), a in kept
    ]
    for measure in MEASURES:
        study[measure] = _measured(resolved["study"][measure], [cell for cell, _ in kept])
    if not everywhere:
        study["models"], study["benchmarks"] = study["models"][:1], study["benchmarks"][:1]
        for level in [level for varied in study["variation"] for level in varied["levels"]]:
            level["model"] = study["models"][0]
    for name, shape in shapes.items():
        entry = {key: value for key, value in config["models"][name].items() if key not in ("hub", "tokenizer")}
        path = {} if "package" in entry else {"path": str(tiny_folder(name, entry))}
        config["models"][name] = {**entry, **path, **({"shape": shape} if shape else {})}
    for name in generated_models(resolved):
        _shrink(config["models"][name], len(kept_layers))
    for name, folder in sources.items():
        entry = {key: value for key, value in config["sources"][name].items() if key != "hub"}
        config["sources"][name] = {**entry, "path": folder}
    return config


def _shrink(model: dict, layers: int) -> None:
    """Make a generated model as small as a model can be that is to learn nothing."""
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2}
    model["generated"]["shape"] |= shape | {"num_hidden_layers": layers}
    # It is made of the entry alone.
    model.pop("shape")


def thinned_layers(config: dict) -> list[int]:
    """The layers of a resolved study that its miniature has: the first, the last, and all that it names one by one."""
    depths = declared_depths(config).values()
    every = {
        f"methods.{name}.layers" for name, entry in config["methods"].items() if len(entry.get("layers", ())) in depths
    }
    return sorted({0, *(depth - 1 for depth in depths), *(n for key, n in named_layers(config) if key not in every)})


def _renumbered(value, kept: list[int], name: str = ""):
    """A copy of a part of the configuration whose layers are counted among those that are kept."""
    if isinstance(value, dict):
        return {key: _renumbered(entry, kept, key) for key, entry in value.items()}
    if name == "layers" and isinstance(value, list):
        return sorted({_renumbered(layer, kept, "layer") for layer in value})
    if name in ("layer", "read_layer") and value is not None:
        return max(0, bisect_right(kept, value) - 1)
    return value


def tiny_folder(name: str, entry: dict) -> Path:
    """Where the tiny model of a resolved entry lies: it is fetched from there; a packaged one is as fetched."""
    return Path("resources/models" if "package" in entry else "tiny") / name


def shortened(value, name: str = ""):
    """A copy of a part of the configuration with its lengths cut."""
    if isinstance(value, dict):
        return {key: shortened(entry, key) for key, entry in value.items()}
    if isinstance(value, list):
        value = value[:2] if name in FIRST_TWO else value
        if name in COUNTED and all(isinstance(entry, int) for entry in value):
            return [COUNTED[name] * (index + 1) for index in range(len(value))]
        return [shortened(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and name in MOST:
        return min(value, MOST[name])
    return value


def _small(benchmark: dict) -> dict:
    """A benchmark of few facts and texts; its shares of entities stay."""
    small = shortened({key: value for key, value in benchmark.items() if key not in ("forget", "retain", "neighbour")})
    if "world" in benchmark:
        # Its models learn nothing, and are not refused for it.
        entities = dict.fromkeys(small["world"]["entities"], 24)
        unbounded = {"known": 0.0, "difference": 1.0, "floor": 1.0}
        small["world"] |= {"entities": entities, "documents": 2, "mentions": 120, **unbounded}
    for role in [role for role in ("forget", "retain", "neighbour") if role in benchmark]:
        entry = benchmark[role]
        small[role] = {**entry, "max_facts": {split: FACTS[split] for split in entry["splits"] if split in FACTS}}
    return small


def kinds_of_cells(config: dict, few: bool) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """(method, defence) and its attacks, of each that has something which none before has."""
    attacks: dict[tuple[str, str], list[str]] = {}
    for grid in config["study"]["cells"]:
        for cell in product(grid["methods"], grid["defences"]):
            known = attacks.setdefault(cell, [])
            known += [attack for attack in grid["attacks"] if attack not in known]
    seen: set = set()
    for cell, under in attacks.items():
        kept = []
        for attack in sorted(under, key=lambda attack: attack != NONE):
            new = set(aspects(config, *cell, attack, few)) - seen
            if new:
                kept.append(attack)
                seen |= new
        if kept:
            yield cell, [NONE, *(attack for attack in kept if attack != NONE)]


def aspects(config: dict, method: str, defence: str, attack: str, few: bool) -> Iterator[tuple]:
    """What a (cell, attack) has that decides how its jobs run, numbers left out."""
    entry = config["methods"].get(method)
    trained = entry["trained"] if entry and "trained" in entry else method
    if attack != NONE:
        yield "attack", attack, trained
        return
    if method == REFERENCE or "checkpoint" in entry:
        yield ("treated", entry["after"]["defence"]) if "after" in (entry or {}) else (method,)
        return
    if few:
        yield ("reads", cache_settings(entry)["likelihood"])
        return
    losses = entry["forget_loss"], entry["retain_loss"]
    yield ("loss", *losses, trained, entry["implementation"], entry["precision"], _words(entry["parameters"]))
    row = [(part["kind"], _words(part["parameters"])) for part in defence_row(config, defence, method)]
    yield from (("defence", loss, trained, tuple(row)) for loss in losses)
    yield "cache", tuple(sorted(cache_settings(entry).items()))
    yield "varied", entry.get("variant_of"), *(config["defences"][part].get("variant_of") for part in parts_of(defence))


def _words(parameters: dict) -> tuple:
    """The parameters that are words, and which of the numbers are zero."""
    return tuple(
        (name, value if isinstance(value, str | bool | None) else bool(value))
        for name, value in sorted(parameters.items())
        if not isinstance(value, list)
    )


def _measured(grids: list[dict], kept: list[tuple[str, str]]) -> list[dict]:
    """The first three kept cells of a measure."""
    cells = dict.fromkeys(cell for grid in grids for cell in product(grid["methods"], grid["defences"]))
    return [{"methods": [m], "defences": [d]} for m, d in [cell for cell in cells if cell in kept][:3]]
