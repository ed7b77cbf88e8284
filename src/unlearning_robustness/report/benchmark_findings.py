"""What the model knew before it unlearned, and how sure that is."""

from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.config.sources import ROLES
from unlearning_robustness.data.equal_texts import RUN, repetition_line
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.unlearning_findings import accuracy_of
from unlearning_robustness.report.words import percent

LETTER = "letter"


def benchmark(context: ReportContext) -> list[str]:
    """A sentence a set of questions, some about what overlaps, one about asking for letters, one about the model."""
    roles = [_role(role, context.benchmark) for role in ROLES if role in context.benchmark]
    model = context.settings["model"]
    origin = "it was fine-tuned on the texts that are forgotten here; " if model["fine_tuned"] else ""
    return [*roles, *_overlaps(context.benchmark), *_letters(context), f"About the model: {origin}{model['note']}."]


def _role(role: str, manifest: dict) -> str:
    """How many of the questions it knew, and what it answers when it is asked again."""
    entry = manifest[role]
    if entry["dropped"]:
        known = entry["facts_known"]
        return f"Neighbour: the model knows only {known} facts, too few to show; the study drops the domain."
    asked = "facts" if "redrawn_accuracy" in entry else "questions, and is asked whether it knew them or not"
    tested = sum(row["facts"] for row in manifest["counts"] if row["role"] == role and row["split"] == "test")
    line = f"{role.capitalize()}: the model knew {entry['facts_known']} of {entry['facts_asked']} {asked}; {tested} of "
    line += "them are tested."
    again = entry.get("redrawn_accuracy")
    if again is None:
        return line
    guesses = ", so some were lucky guesses." if again < 1 else "."
    return f"{line} Asked again with other wrong answers, it gets {100 * again:.0f} % of them right{guesses}"


def _overlaps(manifest: dict) -> list[str]:
    """Texts that repeat another one, and what stands in two places that should have nothing in common."""
    repeated = {name: counts for name, counts in manifest.get("repetitions", {}).items() if counts["repeated"]}
    lines = [f"Texts that are there twice: {repetition_line(name, counts)}." for name, counts in repeated.items()]
    rows = manifest.get("overlaps", [])
    common = [row for row in rows if row["equal"] or row["near"]]
    lines += [
        f"Of {row['texts']} {row['of']} {row['equal']} stand word for word in the texts of {row['within']}, and "
        f"{row['near']} more with at least half of their runs of {RUN} words."
        for row in common
    ]
    if rows and not common:
        lines.append(
            "No forget text stands in a retain text, and no tested question in what attackers train on, not even with "
            f"half of its runs of {RUN} words."
        )
    return [*lines, *(f"Fewer facts than allowed: {line}." for line in manifest.get("bounded", []))]


def _letters(context: ReportContext) -> list[str]:
    """Whether the reference can name the letter of the right answer, where the study asks for letters."""
    lines = []
    for probe in [name for name, entry in context.settings["probes"].items() if entry["mode"] == LETTER]:
        row = accuracy_of(context, REFERENCE, NONE, "forget", probe)
        if row is not None:
            blind = ": this format cannot show an effect of unlearning." if row["low"] <= context.chance else "."
            lines.append(
                f"Asked for a letter (A to D) instead of the answer, the reference gets {percent(row)} of the forget "
                f"questions right (chance {100 * context.chance:.0f} %){blind}"
            )
    return lines
