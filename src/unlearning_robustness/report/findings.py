"""The study's findings in words, generated from its numbers; it says as plainly what the numbers do not show."""

from unlearning_robustness.report.benchmark_findings import benchmark
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.matrix_findings import worst_attacks
from unlearning_robustness.report.memorisation_findings import memorisation
from unlearning_robustness.report.recovery_findings import recovery
from unlearning_robustness.report.settings_findings import settings
from unlearning_robustness.report.sharpness_findings import sharpness
from unlearning_robustness.report.unlearning_findings import repair, token_effect, unlearning
from unlearning_robustness.report.variation_findings import variation

LABEL = "findings"
CAPTION = "What the study finds, written from its numbers."
READS = (
    "accuracy", "floors", "measures", "token_effects", "differences", "relearning", "attacked_differences", "recovery",
    "attack_validity", "early_recovery", "sharpness_correlations", "memorisation", "matrix", "matrix_differences",
    "interactions",
)  # fmt: skip
BESIDE = ("manifest",)


def page(context: ReportContext) -> str:
    """One section a question; a section without sentences is left out."""
    sections = {
        "What does the model know before it unlearns?": benchmark,
        "With which settings?": settings,
        "Does unlearning work?": unlearning,
        "Does a forget token trip the unlearned model?": token_effect,
        "Does RNA repair it, and is it more than weaker unlearning?": repair,
        "Does knowledge come back?": recovery,
        "Do sharp minima give more back?": sharpness,
        "What is left of texts known by heart, and what comes back?": memorisation,
        "What is the worst that an attacker can do?": worst_attacks,
        "When does a forget token harm, and when do RNA and StableUN help?": variation,
        "What can these numbers not say?": limits,
    }
    lines = [f"# {context.settings['study']['title']}", ""]
    for title, section in sections.items():
        if sentences := section(context):
            lines += [f"## {title}", "", *(f"- {sentence}" for sentence in sentences), ""]
    return "\n".join(lines)


def limits(context: ReportContext) -> list[str]:
    """What the reader must not conclude."""
    seeds, confidence = len(context.settings["study"]["seeds"]), 100 * context.settings["analysis"]["confidence"]
    asks_only_known = "redrawn_accuracy" in context.benchmark["forget"]
    return [
        f"Intervals are {confidence:.0f} % intervals over facts and {seeds} seed(s)"
        + ("; one seed says nothing about others. " if seeds == 1 else ". ")
        + "The report compares many things and corrects for that only in the claims and comparisons that the study "
        "named before it ran.",
        "The study has one small model and one forget domain: nothing here says what happens at 7-8B parameters."
        if asks_only_known
        else "The study has one model and one forget set: nothing here says what happens with others.",
        "The reference answers every plain question correctly by construction: the study asks only what it knew."
        if asks_only_known
        else "The study asks every question, also those that the reference cannot answer.",
        "A difference whose interval contains zero is not shown; that is not evidence of equality.",
        _ties(context),
    ]


def _ties(context: ReportContext) -> str:
    """How many answers rest on the order of choices alone."""
    tied = context.tables["accuracy"]["tied"]
    if not tied.any():
        return "No answer without an attack is an exact tie between choices."
    return (
        f"{100 * tied.mean():.2g} % of the answers without an attack are exact ties between choices, at most "
        f"{100 * tied.max():.2g} % in one question set of one cell; the first of the tied choices counts."
    )
