"""What each claim of a study, and each published number beside it, can show at its numbers of questions and seeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite

from unlearning_robustness.analysis.decisions import LEVEL
from unlearning_robustness.analysis.power import Spread, confirmable, detectable, detectable_correlation, seeds_needed
from unlearning_robustness.analysis.replicates import MODELS
from unlearning_robustness.config.cells import ACCURACY, MEASURE, NONE, PROBABILITY, REFERENCE, measured_cells, places
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.estimate.columns import aligned
from unlearning_robustness.estimate.jobs import Domain, questions_of
from unlearning_robustness.estimate.subjects import subjects_of

# Standard deviations of what a table holds, between seeds, between facts, and of what both leave, as shares of
# questions; docs/measurement.md says where they come from. Of a difference of two unattacked models, of what relearning
# brings back, of two such gains, and of what two defences do together beyond the sum; of a share of questions near a
# half; and of the reference's, which no seed changes.
UNATTACKED, GAIN, GAINS = Spread(0.05, 0.35, 0.35), Spread(0.09, 0.35, 0.35), Spread(0.12, 0.35, 0.35)
JOINT, SHARE, FIXED = Spread(0.17, 0.5, 0.5), Spread(0.05, 0.45, 0.2), Spread(0.0, 0.5, 0.0)
# The same of the right choice's probability, which moves where answers stay, and seldom from 0 to 1: .5 to .85 times as
# much, as measured on differences and token effects of two methods.
NARROWER = 0.75
SPREADS = {
    "token_effects": UNATTACKED,
    "differences": UNATTACKED,
    "rejection": SHARE,
    "recovery": GAIN,
    "recovery_differences": GAINS,
    "attacked_differences": GAINS,
    "matrix_differences": GAINS,
    "interactions": JOINT,
    "corrected_recovery": GAINS,
}
PUBLISHED = {"accuracy": SHARE, "gain": GAIN}
# The probe that decides a claim of a table without that column.
PROBES = {"token_effects": "forget_token_probe", "rejection": "forget_token_probe"}
CORRELATIONS = "sharpness_correlations"
CLAIMS_NOTE = """
What a claim shows, in shares of questions (correlations: over so many defences instead of facts), with a chance of 80 %
by the average over its subjects and beside all other claims (Holm): an effect from that size on, or for `within` that
there is none beyond it. "by probability" is the same where the claim names `measure: probability`. "no": even where an
effect that matters is there, most likely nothing can be decided; the last column has how many seeds would do, "none"
where no number does with so few facts. docs/measurement.md has the formula, and the spreads, which are those of the
laptop's studies."""


@dataclass(frozen=True)
class Resolution:
    """What one claim can show: the smallest effect, in the table's unit, and the one that matters.

    ``smallest`` is None where the effect is no share of questions and no correlation, so that nothing is known of its
    spread; ``units`` are facts, or the defences of a correlation; ``needed`` are seeds that would show what matters.
    ``benchmark`` is the number of models where the claim is about their mean, and ``units`` are the facts of each.
    ``by_probability`` is the smallest effect on the right choice's probability, None where that is not measured.
    """

    claim: str
    benchmark: str
    subjects: int
    seeds: int
    units: int
    smallest: float | None
    matters: float
    needed: float
    by_probability: float | None = None

    @property
    def verdict(self) -> str:
        """Whether an effect that matters would be shown."""
        if self.smallest is None:
            return "not known before"
        return "yes" if self.smallest <= self.matters else "no"


def facts_asked(config: dict, benchmark: str, role: str, probe: str, domains: dict[str, Domain]) -> int:
    """Facts of the test split that are asked of a role under a probe."""
    entry = config["benchmarks"][benchmark]
    facts = questions_of(entry, role, "test", domains) // entry[role].get("templates_asked", 1)
    return min(facts, config["probes"].get(probe, {}).get("max_facts", facts))


def resolutions(config: dict, domains: dict[str, Domain]) -> Iterator[Resolution]:
    """One for each claim and benchmark, then one for each published number of the study.

    Where models are replicates a claim is about all of them, and the facts are those of the first benchmark.
    """
    benchmarks, models = config["study"]["benchmarks"], 1
    if config["analysis"]["replicates"] == MODELS:
        benchmarks, models = benchmarks[:1], len(places(config["study"]))
    for name, claim in config["claims"].items():
        for benchmark in benchmarks:
            yield _of_claim(config, name, claim, benchmark, domains, models)
    for name, entry in expected_of(config).items():
        yield _of_published(config, f"published: {name}", entry, domains)


def _of_claim(
    config: dict, name: str, claim: dict, benchmark: str, domains: dict[str, Domain], models: int
) -> Resolution:
    table, seeds = claim["table"], len(config["study"]["seeds"])
    about = f"{models} models" if models > 1 else benchmark
    # An effect that is looked for beyond `minus` must be told from nothing by so much.
    matters = max(claim["least"], abs(claim["minus"]))
    # Holm's first step: the smallest of so many p-values is compared with so small a level.
    confidence = 1 - LEVEL / len(config["claims"])
    if table == CORRELATIONS:
        kinds = _measured_kinds(config)
        return Resolution(name, about, 1, seeds, kinds, detectable_correlation(kinds, confidence), matters, inf)
    subjects = subjects_of(config, claim, benchmark)
    if table not in SPREADS:
        return Resolution(name, about, subjects, seeds, 0, None, matters, inf)
    facts = facts_asked(config, benchmark, *_asked(config, claim), domains)
    smallest_of = confirmable if claim["expects"] == "within" else detectable
    # Of a rejection no average has an interval of its own: it is as wide as that of one subject.
    spread = SPREADS[table].pooled(subjects) if table != "rejection" else SPREADS[table]
    narrow = spread.scaled(NARROWER)
    decides = narrow if claim["where"].get(MEASURE, ACCURACY) == PROBABILITY else spread
    return Resolution(
        name, about, subjects, seeds, facts, smallest_of(decides, seeds, facts, confidence, models=models), matters,
        seeds_needed(smallest_of, decides, facts, matters, confidence, models),
        None if table == "rejection" else smallest_of(narrow, seeds, facts, confidence, models=models),
    )  # fmt: skip


def _of_published(config: dict, name: str, entry: dict, domains: dict[str, Domain]) -> Resolution:
    of, benchmark, confidence = entry["of"], entry["benchmark"], config["analysis"]["confidence"]
    facts = facts_asked(config, benchmark, of["role"], of.get("probe", config["analysis"]["baseline_probe"]), domains)
    fixed = entry["method"] == REFERENCE and of["attack"] == NONE
    spread, seeds = (FIXED, 1) if fixed else (PUBLISHED[entry["quantity"]], len(config["study"]["seeds"]))
    smallest, tolerance = detectable(spread, seeds, facts, confidence), entry["tolerance"]
    needed = seeds_needed(detectable, spread, facts, tolerance, confidence)
    return Resolution(name, benchmark, 1, seeds, facts, smallest, tolerance, needed)


def _asked(config: dict, claim: dict) -> tuple[str, str]:
    """(role, probe) of the questions that decide a claim; attacks ask forget questions plainly."""
    analysis, where = config["analysis"], claim["where"]
    role = where.get("role", "retain" if claim["table"] in PROBES else "forget")
    probe = where.get("probe", analysis[PROBES.get(claim["table"], "baseline_probe")])
    return role, probe if isinstance(probe, str) else probe[0]


def _measured_kinds(config: dict) -> int:
    """Defences of the method whose sharpness is measured on most of them: seeds of one are alike."""
    kinds = {(cell.method, cell.defence) for cell in measured_cells(config, "sharpness")}
    methods = [method for method, _ in kinds]
    return max((methods.count(method) for method in set(methods)), default=0)


def claims_of(config: dict, domains: dict[str, Domain]) -> str:
    """The table of what claims can show, as text; empty without claims and published numbers."""
    head = ["claim", "benchmark", "subjects", "seeds", "facts", "shows from", "by probability", "matters from",
            "decided?", "seeds for it"]  # fmt: skip
    rows = [_row(each) for each in resolutions(config, domains)]
    return f"{aligned([head, *rows])}\n{CLAIMS_NOTE}" if rows else ""


def undecidable(config: dict, domains: dict[str, Domain]) -> str:
    """One line on the claims that are not likely to be decided at the study's seeds and questions; empty if none."""
    claims = [each for each in resolutions(config, domains) if each.claim in config["claims"]]
    open_ = list(dict.fromkeys(each.claim for each in claims if each.verdict == "no"))
    if not open_:
        return ""
    return (
        f"{len(open_)} of {len(config['claims'])} claims can hardly be decided with {len(config['study']['seeds'])} "
        f"seed(s): {', '.join(open_)}; `make plan` says what they show, and whether more seeds or facts would do"
    )


def _row(each: Resolution) -> list[str]:
    shown = ["", "", "", ""]
    if each.smallest is not None:
        probable = "" if each.by_probability is None else _number(each.by_probability, ".3f", "never")
        shown = [str(each.subjects), str(each.units), _number(each.smallest, ".3f", "never"), probable]
    subjects, *numbers = shown
    needed = _number(each.needed, ".0f", "none" if each.verdict == "no" else "")
    return [
        each.claim,
        each.benchmark,
        subjects,
        str(each.seeds),
        *numbers,
        f"{each.matters:.3g}",
        each.verdict,
        needed,
    ]


def _number(value: float, form: str, beyond: str) -> str:
    return format(value, form) if isfinite(value) else beyond
