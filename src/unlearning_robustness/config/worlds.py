"""Generated worlds: which models are pretrained on which world, and which models and benchmarks go together."""

from unlearning_robustness.config.cells import in_order, places
from unlearning_robustness.config.checkpoints import checkpoint_methods, checkpoint_of
from unlearning_robustness.errors import ConfigError

ROLES = ("forget", "retain", "neighbour")
# The domain of a generated world.
WORLD = "world"
# What two models of one world may differ in.
MAY_DIFFER = ("forget_facts", "seed")


def generated_models(config: dict) -> dict[str, dict]:
    """The models that are pretrained here, by id, with their entry ``generated``."""
    return {name: entry["generated"] for name, entry in config["models"].items() if "generated" in entry}


def learners(config: dict, benchmark: str) -> list[str]:
    """The models of the study, checkpoints of its methods among them, that learn the world of a benchmark."""
    study, generated = config["study"], generated_models(config)
    used = list(study["models"])
    for name in in_order(study, "methods"):
        if method := checkpoint_methods(config).get(name):
            used += [checkpoint_of(method, model) for model in study["models"]]
    return [name for name in dict.fromkeys(used) if generated.get(name, {}).get("benchmark") == benchmark]


def with_worlds(config: dict) -> dict:
    """The configuration with the shapes of generated models, and with the study's pairs where not all go together."""
    models = {
        name: {**entry, "shape": entry["generated"]["shape"]} if "generated" in entry else entry
        for name, entry in config["models"].items()
    }
    config = {**config, "models": models}
    belonging = [list(place) for place in places(config["study"]) if _belong(config, *place)]
    if len(belonging) in (0, len(places(config["study"]))) or "pairs" in config["study"]:
        return config
    return {**config, "study": {**config["study"], "pairs": belonging}}


def _belong(config: dict, model: str, benchmark: str) -> bool:
    """Whether a model may unlearn a benchmark: where one of them is generated, the other is of the same world."""
    learned = config["models"].get(model, {}).get("generated", {}).get("benchmark")
    return learned == benchmark if learned else WORLD not in config["benchmarks"].get(benchmark, {})


def check_worlds(config: dict) -> None:
    """Raise ConfigError for the first world that cannot be generated or learnt, and for pairs that do not go together.

    Models of one world may differ in whether they see what is to be forgotten, and in their seed.
    """
    for name, benchmark in config["benchmarks"].items():
        _check_benchmark(f"benchmarks.{name}", benchmark)
    first: dict[str, str] = {}
    for name, entry in generated_models(config).items():
        key = f"models.{name}.generated"
        if WORLD not in config["benchmarks"].get(entry["benchmark"], {}):
            raise ConfigError(f"{key}.benchmark: {entry['benchmark']!r} is no benchmark with a world; name one")
        _check_like(config, name, first.setdefault(entry["benchmark"], name))
    _check_pairs(config)


def _check_benchmark(key: str, benchmark: dict) -> None:
    generated = [role for role in ROLES if benchmark.get(role, {}).get("domain") == WORLD]
    if WORLD not in benchmark:
        if generated:
            raise ConfigError(f"{key}.{generated[0]}.domain: world needs the key {key}.world; give it")
        return
    if len(generated) < len(ROLES):
        other = next(role for role in ROLES if role not in generated)
        raise ConfigError(f"{key}.{other}.domain: every role of a generated world is of it; write world")
    if benchmark["world"]["values"] <= benchmark["distractors"]:
        raise ConfigError(
            f"{key}.world.values: {benchmark['world']['values']} answers leave no {benchmark['distractors']} wrong "
            "ones; give more values or fewer distractors"
        )


def _check_like(config: dict, name: str, first: str) -> None:
    """Models of one world are pretrained alike, or their difference is not that of the facts."""
    models = config["models"]
    for key, value in models[name]["generated"].items():
        if key not in MAY_DIFFER and value != (other := models[first]["generated"][key]):
            raise ConfigError(
                f"models.{name}.generated.{key}: {value} differs from {other} of {first!r}, which learns the same "
                f"world; they may differ in {' and '.join(MAY_DIFFER)} alone"
            )


def _check_pairs(config: dict) -> None:
    study = config["study"]
    for model, benchmark in places(study):
        for axis, name in (("models", model), ("benchmarks", benchmark)):
            if name not in study[axis]:
                raise ConfigError(f"study.pairs: {name!r} is not among study.{axis}; add it there, or leave it out")
        if not _belong(config, model, benchmark):
            raise ConfigError(f"study.pairs: {model!r} knows nothing of the world of {benchmark!r}; leave the pair out")
    for index, axis in enumerate(("models", "benchmarks")):
        paired = [place[index] for place in places(study)]
        if alone := next((name for name in study[axis] if name not in paired), None):
            raise ConfigError(f"study.{axis}: {alone!r} goes with none of the others, of another world; leave it out")
