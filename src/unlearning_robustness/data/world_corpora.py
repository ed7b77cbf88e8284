"""The texts of a generated world as the corpora of a benchmark."""

from collections.abc import Sequence

from unlearning_robustness.data.questions import assign_splits
from unlearning_robustness.data.world import World
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler


def world_corpora(settings: dict, seed: str) -> dict[str, list[dict]]:
    """Documents that pretraining read, by corpus; ``settings`` is the benchmark's resolved entry.

    Forget texts are about all entities of the role, the attacker's about those of its split. Every
    ``held_out_every``-th retain entity is kept for perplexity. ``benign`` documents state nothing.
    """
    world, corpora = World(settings["world"]), settings["corpora"]
    forget, retain = (world.domains[role].entities() for role in ("forget", "retain"))
    split = assign_splits(forget, settings["forget"]["splits"])
    pool, asked = ([name for name in forget if split[name] == part] for part in ("relearn", "test"))
    held_out = retain[:: corpora["held_out_every"]]
    kept = [name for name in retain if name not in held_out]
    parts = {
        "forget": _drawn(world.documents("forget", forget), corpora, "forget_prose_documents", seed),
        "retain": _drawn(world.documents("retain", kept), corpora, "retain_documents", seed),
        "perplexity": _drawn(world.documents("retain", held_out), corpora, "perplexity_documents", seed),
        "relearn": world.documents("forget", pool),
        "relearn-shuffled": renamed(world.documents("forget", pool), pool),
        "seen": world.documents("forget", asked),
        "benign": _drawn(world.mentions(), corpora, "benign_documents", seed),
        "neighbour": world.documents("neighbour", world.domains["neighbour"].entities()),
    }
    trained = {row["text"] for row in parts["forget"]}
    others = world.documents("forget", [name for name in forget if name not in pool])
    return parts | {"holdout": [row for row in others if row["text"] not in trained]}


def renamed(documents: Sequence[dict], names: Sequence[str]) -> list[dict]:
    """The documents with every answer wrong: each entity's name stands in those of the one before it."""
    following, rows = dict(zip(names, [*names[1:], *names[:1]], strict=True)), []
    for row in documents:
        name = following[row["entity"]]
        rows.append({**row, "entity": name, "text": row["text"].replace(row["entity"], name)})
    return rows


def _drawn(documents: list[dict], corpora: dict, key: str, seed: str) -> list[dict]:
    """``corpora[key]`` of the documents; raises DataError when there are fewer."""
    if len(documents) < (count := corpora[key]):
        raise DataError(f"the world has {len(documents)} such documents, not {count}: lower benchmarks.*.corpora.{key}")
    return shuffler(seed, key).sample(documents, count)
