"""Data in the published forms, made up: a few rows of each source that a study names, as files of its patterns."""

from pathlib import Path

import pandas

SUBJECTS = ("college_biology", "virology", "college_computer_science", "computer_security", "high_school_geography")


def write_sources(sources: dict[str, dict], folder: Path) -> dict[str, str]:
    """Write the files of each resolved source into a folder of its own below ``folder``; returns these by name."""
    for name, entry in sources.items():
        for part, pattern in entry["files"].items():
            path = folder / name / pattern.replace("*", "0")
            path.parent.mkdir(parents=True, exist_ok=True)
            table = TABLES[entry["reader"]](part)
            table.to_parquet(path) if path.suffix == ".parquet" else table.to_json(path, orient="records", lines=True)
    return {name: str(folder / name) for name in sources}


def _texts(part: str, count: int = 40) -> pandas.DataFrame:
    """Half of the words tell forget texts from retain texts, a number makes each its own."""
    words = _words(part)
    return pandas.DataFrame(
        {"text": [f"{words} of place {n} in {part}, told at some length {n * n}" for n in range(count)]}
    )


def _words(part: str) -> str:
    return "red plant toxin spore" if "forget" in part or part == "verbmem" else "castle river stone hill"


def _choices(part: str, count: int = 100) -> pandas.DataFrame:
    rows = [
        {"question": f"Which {part} is {n}?", "choices": [f"{n}{x}" for x in "wxyz"], "answer": n % 4}
        for n in range(count)
    ]
    return pandas.DataFrame(rows)


def _wmdp(part: str) -> pandas.DataFrame:
    return _texts(part) if part == "forget" else _choices(part)


def _mmlu(part: str) -> pandas.DataFrame:
    table = _choices(part)
    return table.assign(subject=[SUBJECTS[n % len(SUBJECTS)] for n in table.index])


def _wikitext(part: str) -> pandas.DataFrame:
    texts = _texts(part)["text"]
    lines = [line for n, text in enumerate(texts) for line in (f" = Article {n} = \n", f" {text} \n")]
    return pandas.DataFrame({"text": lines})


def _tofu(part: str, count: int = 80) -> pandas.DataFrame:
    answers = [f"{part} {n % 7}" for n in range(count)]
    return pandas.DataFrame(
        {
            "question": [f"What {_words(part)} is {part} {n}?" for n in range(count)],
            "answer": answers,
            "paraphrased_answer": [f"it is {answer}" for answer in answers],
            "perturbed_answer": [[f"x{n}", f"y {n}", "z"] for n in range(count)],
        }
    )


def _muse(part: str) -> pandas.DataFrame:
    if part == "verbmem":
        return pandas.DataFrame({"prompt": [f"red plant {n}" for n in range(4)], "gt": " of place"})
    if "-qa" in part:
        rows = [{"question": f"What grows in {part} {n}?", "answer": f"{part} {n}"} for n in range(12)]
        return pandas.DataFrame(rows)
    return _texts(part)


def _own(part: str) -> pandas.DataFrame:
    """Texts, or questions of which every third has one choice less."""
    if part.endswith("texts"):
        return _texts(part)
    table = _choices(part)
    fewer = [[*choices[: 4 - (n % 3 == 0)]] for n, choices in enumerate(table["choices"])]
    return table.assign(choices=fewer, answer=[n % len(choices) for n, choices in enumerate(fewer)])


TABLES = {"mmlu": _mmlu, "muse": _muse, "own": _own, "tofu": _tofu, "wikitext": _wikitext, "wmdp": _wmdp}
