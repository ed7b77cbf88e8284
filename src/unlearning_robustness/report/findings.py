"""The study's findings in words, generated from its numbers; what was not found is said as plainly."""

import pandas

from unlearning_robustness.analysis.bootstrap import spearman
from unlearning_robustness.config.cells import NONE, REFERENCE, in_order
from unlearning_robustness.report.attacker_findings import attacker_sentences
from unlearning_robustness.report.matrix_findings import matrix_sentences
from unlearning_robustness.report.memorisation_findings import memorisation_sentences
from unlearning_robustness.report.sharpness_findings import sharpness_sentences
from unlearning_robustness.report.words import percent, points, verdict

# Where a probe puts its word.
PLACES = {"prefix": "before", "option": "as a wrong option of", "mention": "mentioned before"}


class Findings:
    """Sentences about one (model, benchmark), from its tables and the study's configuration."""

    def __init__(self, tables: dict[str, pandas.DataFrame], config: dict, benchmark_report: dict):
        self.tables, self.config, self.report = tables, config, benchmark_report
        analysis = config["analysis"]
        self.baseline, self.token = analysis["baseline_probe"], analysis["forget_token_probe"]
        self.attack, self.early = analysis["attack"], analysis["early_steps"]
        # Variants are shown in sweeps and in the main table.
        self.methods = [
            method
            for method in in_order(config["study"], "methods")
            if method != REFERENCE and "variant_of" not in config["methods"][method]
        ]

    def markdown(self) -> str:
        """The whole page."""
        sections = {
            "What was asked": self.benchmark(),
            "With which settings?": self.settings(),
            "Does unlearning work?": self.unlearning(),
            "Does a forget token trip the unlearned model?": self.token_effect(),
            "Does RNA repair it, and is it more than weaker unlearning?": self.repair(),
            "Does knowledge come back?": self.recovery(),
            "Do sharp minima give more back?": self.sharpness(),
            "What is left of texts known by heart, and what comes back?": self.memorisation(),
            "What is the worst that an attacker can do?": self.worst(),
            "What these numbers cannot say": self.limits(),
        }
        parts = [f"# {self.config['study']['title']}", ""]
        for title, sentences in ((title, found) for title, found in sections.items() if found):
            parts += [f"## {title}", "", *(f"- {sentence}" for sentence in sentences), ""]
        return "\n".join(parts)

    def _label(self, method: str) -> str:
        return self.config["methods"][method]["label"]

    def _defence(self, name: str) -> str:
        if name == NONE:
            return "plain unlearning"
        return " + ".join(self.config["defences"][part]["label"] for part in name.split("."))

    def _cell(self, method: str, defence: str) -> str:
        return f"{self._label(method)}, {self._defence(defence)}"

    def _accuracy(self, method: str, defence: str, role: str, probe: str):
        table = self.tables["accuracy"]
        found = table.query("method == @method and defence == @defence and role == @role and probe == @probe")
        return None if found.empty else found.iloc[0]

    def benchmark(self) -> list[str]:
        """What the model knew before, and how sure that is."""
        lines = []
        for role in ("forget", "retain", "neighbour"):
            entry = self.report[role]
            asked = "facts" if "redrawn_accuracy" in entry else "questions, asked whether it knew them or not"
            count = sum(row["facts"] for row in self.report["counts"] if row["role"] == role and row["split"] == "test")
            line = (
                f"{role.capitalize()}: the model knew {entry['facts_known']} of {entry['facts_asked']} {asked}; "
                f"{count} of them are tested."
            )
            again = entry.get("redrawn_accuracy")
            if again is not None:
                line += f" Asked again with other wrong answers it gets {100 * again:.0f} % of them right"
                line += ", so some were lucky guesses." if again < 1 else "."
            if entry["dropped"]:
                line = (
                    f"Neighbour: only {entry['facts_known']} facts are known, too few to show; the domain is dropped."
                )
            lines.append(line)
        letters = self._accuracy(REFERENCE, NONE, "forget", "letter")
        if letters is not None:
            lines.append(
                f"Asked for a letter (A to D) instead of the answer, the reference gets {percent(letters)} of the "
                f"forget questions (chance {100 * self.chance:.0f} %)"
                + (": an effect of unlearning cannot be seen in that format." if letters["low"] <= self.chance else ".")
            )
        notes = {self._note(self.config["models"][name]) for name in self.config["study"]["models"]}
        return lines + [f"About the model: {note}." for note in sorted(notes)]

    def _note(self, model: dict) -> str:
        """What is said of a model; of one that is made from another, that and what is said of the other."""
        if "from" not in model:
            return model["note"]
        return f"it was fine-tuned on the texts that are forgotten here; {self.config['models'][model['from']]['note']}"

    def settings(self) -> list[str]:
        """The tuned numbers of every method, and where they come from."""
        lines, measured = [], self.tables["measures"]
        for method in self.methods:
            entry = self.config["methods"][method]
            noise = measured[(measured["method"] == method) & (measured["defence"] == "rna")]
            relative = noise["relative_noise_scale"].mean() if "relative_noise_scale" in noise else float("nan")
            rna = f", RNA's noise {relative:.2f} times the mean activation norm" if relative == relative else ""
            coefficient = measured.loc[measured["method"] == method].get("relative_coefficient", pandas.Series()).mean()
            target = f", coefficient {coefficient:.1f} times it" if rna and coefficient == coefficient else ""
            lines.append(
                f"{self._label(method)}: learning rate {entry['learning_rate']:g}, retain weight "
                f"{entry['retain_weight']:g}, {entry['steps']} steps{rna}{target}."
            )
        return [*lines, *self._conflicts(), self.config["study"]["settings"]]

    def _conflicts(self) -> list[str]:
        """How often a harmonised projection had anything to do."""
        measured = self.tables["measures"]
        if "conflicting_steps" not in measured:
            return []
        shares = measured.groupby(["method", "defence"], sort=False)["conflicting_steps"].mean().dropna()
        return [
            f"{self._label(method)} with {self._defence(defence)}: its two branches pulled against each other in "
            f"{100 * share:.0f} % of the steps."
            for (method, defence), share in shares.items()
        ]

    def unlearning(self) -> list[str]:
        """Forget and retain accuracy of plain unlearning."""
        lines = []
        for method in self.methods:
            forget = self._accuracy(method, NONE, "forget", self.baseline)
            retain = self._accuracy(method, NONE, "retain", self.baseline)
            neighbour = self._accuracy(method, NONE, "neighbour", self.baseline)
            beside = f", the neighbour domain at {percent(neighbour)}" if neighbour is not None else ""
            if forget is not None:
                lines.append(f"{self._label(method)} leaves forget accuracy at {percent(forget)} (chance "
                             f"{100 * self.chance:.0f} %), retain accuracy at {percent(retain)}{beside}.")  # fmt: skip
        return lines

    @property
    def chance(self) -> float:
        """Accuracy of guessing, of the main benchmark."""
        names = self.config["study"]["benchmarks"]
        return 1 / (1 + self.config["benchmarks"][names[0]]["distractors"])

    def token_effect(self) -> list[str]:
        """The forget token against the neutral one, for the reference and each plain method."""
        table, lines = self.tables["token_effects"], []
        place = PLACES.get(self.config["probes"][self.token]["mode"], "in")
        for method in [REFERENCE, *self.methods]:
            rows = table.query("method == @method and defence == 'none'").set_index("contrast")
            if rows.empty:
                continue
            name = "The reference" if method == REFERENCE else self._label(method)
            beyond = rows.loc["beyond_control"]
            reading = verdict(
                beyond, "which is less harm than a neutral token does", "which is more harm than a neutral token does",
                "which is not distinguishable from a neutral token",
            )  # fmt: skip
            lines.append(
                f"{name}: one forget token {place} a retain question changes accuracy by {points(rows.loc['token'])}, "
                f"a neutral one by {points(rows.loc['control'])}; the difference is {points(beyond)}, {reading}."
            )
        return lines

    def repair(self) -> list[str]:
        """RNA against plain unlearning and its controls, under a forget token and in forgetting."""
        table, lines = self.tables["differences"], []
        for method in self.methods:
            rows = table.query("method == @method and first == 'rna'")
            for second in rows["second"].drop_duplicates():
                pair = rows[rows["second"] == second].set_index(["role", "probe"])
                if ("retain", self.token) not in pair.index:
                    continue
                token, forget = pair.loc[("retain", self.token)], pair.loc[("forget", self.baseline)]
                reading = verdict(token, "RNA is more robust", "RNA is less robust", "no difference is shown")
                level = verdict(
                    forget, "while forgetting less", "while forgetting more", "at a forget accuracy not shown to differ"
                )
                lines.append(
                    f"{self._label(method)}, RNA − {self._defence(second)}: retain accuracy under a forget token "
                    f"{points(token)}, forget accuracy {points(forget)}: {reading}, {level}."
                )
        return lines or ["This study has no RNA cells."]

    def recovery(self) -> list[str]:
        """Relearning: early recovery by defence, the reference's ceiling, the shuffled control, the weight change."""
        curves, lines = self.tables["relearning"], []
        if curves.empty:
            return ["This study attacks no cell."]
        most = curves.loc[curves["attack"] == self.attack, "documents"].max()
        main = curves.query("attack == @self.attack and documents == @most")
        for method in [REFERENCE, *self.methods]:
            for defence, rows in main[main["method"] == method].groupby("defence", sort=False):
                by_step = rows.set_index("steps")
                name = (
                    "The reference itself"
                    if method == REFERENCE
                    else f"{self._label(method)}, {self._defence(defence)}"
                )
                told = [step for step in by_step.index if step in (0, self.early, by_step.index.max())]
                *before, end = (f"{percent(by_step.loc[step])} after {step}" for step in told)
                path = " and ".join([*filter(None, [", ".join(before)]), end])
                lines.append(f"{name}: forget accuracy {path} relearning steps.")
        lines += self._recovery_differences(most) + self._shuffled()
        lines += attacker_sentences(self.tables["recovery"], self.config["attacks"], self.attack, self._cell)
        points_of = self.tables["early_recovery"]
        for method, part in points_of.groupby("method"):
            if len(part) > 3:
                correlation = spearman(part["weight_change"], part["gain"])
                lines.append(
                    f"Over the {len(part)} attacked {self._label(method)} cells, ‖ΔW‖ and the accuracy regained in "
                    f"{self.early} steps have a rank correlation of {correlation:+.2f}."
                )
        return lines

    def _recovery_differences(self, most: int) -> list[str]:
        table = self.tables["attacked_differences"]
        budget = "attack == @self.attack and documents == @most and steps == @self.early"
        lines = []
        rows = table.query(f"{budget} and first == 'rna' and second == 'none'").set_index(["method", "quantity"])
        for method in rows.index.unique("method"):
            level, gain = rows.loc[(method, "level")], rows.loc[(method, "gain")]
            reading = verdict(
                gain,
                "relearning brings back more of it with RNA",
                "relearning brings back less of it with RNA",
                "no difference in what relearning brings back is shown",
            )
            lines.append(
                f"{self._label(method)}: after {self.early} steps RNA's forget accuracy differs from plain "
                f"unlearning's by {points(level)}, the accuracy gained since unlearning by {points(gain)}: {reading}."
            )
        return lines

    def _shuffled(self) -> list[str]:
        curves, lines = self.tables["relearning"], []
        attacks = [
            name
            for name, entry in self.config["attacks"].items()
            if entry["parameters"].get("corpus") == "relearn-shuffled"
        ]
        wrong = curves[curves["attack"].isin(attacks) & (curves["steps"] == self.early)]
        wrong = wrong[wrong["method"] != REFERENCE]
        for _, row in wrong.iterrows():
            same = "steps == @self.early and method == @row.method and defence == @row.defence"
            right = curves.query(f"attack == @self.attack and documents == @row.documents and {same}")
            if len(right):
                lines.append(
                    f"Control, {self._label(row['method'])} with {self._defence(row['defence'])}: after {self.early} "
                    f"steps on documents with *wrong* answers forget accuracy is {percent(row)}, with right ones "
                    f"{percent(right.iloc[0])}. What wrong answers bring back was not taught by the attack."
                )
        return lines

    def sharpness(self) -> list[str]:
        """Whether sharpness predicts recovery; nothing where it was not measured."""
        return sharpness_sentences(self.tables["sharpness_correlations"], self._label)

    def memorisation(self) -> list[str]:
        """MUSE's metrics before and after the attack; nothing where they were not measured."""
        return memorisation_sentences(self.tables["memorisation"], self.config["attacks"], self._cell)

    def worst(self) -> list[str]:
        """The cross-robustness matrix: every attack at the strength chosen on select."""
        return matrix_sentences(self.tables, self.config["attacks"], self._cell)

    def limits(self) -> list[str]:
        """What the reader must not conclude."""
        seeds = len(self.config["study"]["seeds"])
        confidence = 100 * self.config["analysis"]["confidence"]
        known = "redrawn_accuracy" in self.report["forget"]
        return [
            f"Intervals are {confidence:.0f} % crossed-bootstrap intervals over facts and {seeds} seed(s); with so few "
            "seeds the variation between seeds is known only roughly. Many things are compared, with a correction only "
            "where McNemar's test is named.",
            "One small model and one forget domain: nothing here says what happens at 7-8B parameters."
            if known
            else "One model and one forget set: nothing here says what happens with others.",
            "The reference answers every plain question correctly by construction: only what it knew is asked."
            if known
            else "Every question is asked, also those that the reference does not know.",
            "A difference whose interval contains zero is not shown; that is not evidence of equality.",
        ]
