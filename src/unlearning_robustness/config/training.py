"""What goes together in the way in which a method is trained."""

from collections.abc import Iterator

from unlearning_robustness.config.kinds import FORGET_LOSSES, reads_of
from unlearning_robustness.errors import ConfigError

# Forget losses of released code take the mean over all tokens of a batch, and its DPO has its error.
RELEASED_PARAMETERS = {"normalisation": "batch-mean", "implementation": "released"}


def check_training(name: str, method: dict, config: dict) -> None:
    """Raise ConfigError where a method's precision, processes, trained weights and implementation do not fit."""
    problems = [
        _rate,
        _adapters,
        _processes,
        _everything,
        _released if method["implementation"] == "released" else _topicless,
    ]
    for check in problems:
        for key, problem in check(method):
            raise ConfigError(f"methods.{name}.{key}: {problem}")
    for benchmark in config["study"]["benchmarks"] if method["topics"] else ():
        _check_topics(name, method["topics"], benchmark, config["benchmarks"][benchmark])


def _rate(method: dict) -> Iterator[tuple[str, str]]:
    if method["learning_rate_unit"] == "norm" and method["trained"] == "lora":
        yield "learning_rate_unit", "adapters are zero before training, so they have no norm; give absolute"
    if method["warm_up"] > method["steps"]:
        yield "warm_up", f"{method['warm_up']} are more than the {method['steps']} steps; give fewer"


def _adapters(method: dict) -> Iterator[tuple[str, str]]:
    trained = method["trained"]
    if (trained == "lora") != ("lora" in method):
        yield "lora", f"give rank, alpha and targets with trained: lora and only then, not with {trained}"
    if method["parallel"]["sharded"] and trained == "lora":
        yield "parallel.sharded", "adapters are small and stay whole; leave sharded out, or lora"
    others = (method["parallel"]["sharded"], "parallel.sharded"), (trained == "lora", "trained: lora")
    for without_master, other in others:
        if without_master and method["precision"] != "master":
            yield "precision", f"{method['precision']} does not go with {other}; give master"


def _processes(method: dict) -> Iterator[tuple[str, str]]:
    processes = method["parallel"]["processes"]
    if processes > method["batch_size"]:
        yield (
            "parallel.processes",
            (
                f"{processes} are more than the batch_size {method['batch_size']}, so some would have no text; give "
                "fewer, or a larger batch"
            ),
        )
    if method["parallel"]["sharded"] and processes == 1:
        yield "parallel.sharded", "a single process has nobody to share with; give processes"


def _everything(method: dict) -> Iterator[tuple[str, str]]:
    """Problems of training every tensor."""
    if method["trained"] != "all":
        return
    if reads_of(FORGET_LOSSES, method["forget_loss"]) == "hidden":
        yield "trained", f"{method['forget_loss']} reads a layer, and what lies above has no gradient; give full"
    if method["parallel"]["sharded"]:
        yield "parallel.sharded", "only layers are divided, not the embeddings that trained: all adds; give full"
    if sorted(method["layers"]) != list(range(len(method["layers"]))):
        yield "layers", "trained: all trains every layer; list all of them, from 0"


def _topicless(method: dict) -> Iterator[tuple[str, str]]:
    if method["topics"]:
        yield "topics", "only implementation: released takes topics in turn; leave them out, or give that"


def _released(method: dict) -> Iterator[tuple[str, str]]:
    """Problems of training as released code does."""
    if method["precision"] != "pure":
        yield "precision", f"implementation: released trains without masters, not {method['precision']}; give pure"
    for key, value in RELEASED_PARAMETERS.items():
        if method["parameters"].get(key, value) != value:
            yield f"parameters.{key}", f"implementation: released has {value}; give that"
    for number, topic in enumerate(method["topics"]):
        for key in ("tokens", "retain_tokens"):
            if topic.get(key, 0) > method["tokens"]:
                yield (
                    f"topics.{number}.{key}",
                    f"texts are cut at tokens: {method['tokens']} before; give no more, or raise that",
                )


def _check_topics(name: str, topics: list[dict], benchmark: str, entry: dict) -> None:
    parts = len(entry["texts"]["forget"]) if "texts" in entry else 1
    if len(topics) not in (1, parts):
        raise ConfigError(
            f"methods.{name}.topics: there are {len(topics)}, and benchmarks.{benchmark} has forget texts of {parts}; "
            f"give {parts}, or one for all"
        )
