"""TOFU's questions asked of models: probability of the answer, ROUGE-L recall of the greedy one, truth ratio."""

import numpy
import pandas

from unlearning_robustness.data.tofu import text_of
from unlearning_robustness.evaluation import tofu
from unlearning_robustness.evaluation.open_answers import Asked, answers, rouge_l, taught
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.chat import chat_frame, in_frame
from unlearning_robustness.scoring.questions import QuestionScorer


class TofuProbe:
    """The questions of every role, tokenised once, to ask any number of models.

    ``table`` is the table of open questions. Of each role at most ``questions`` are asked, the same for every model,
    and none whose text only the attacker of relearning is taught. With ``chat`` in the settings a question, as
    ``format`` writes it, is the user's turn of the model's chat template, and an answer the assistant's.
    """

    def __init__(self, tokenizer, table: pandas.DataFrame, corpora: pandas.DataFrame, settings: dict):
        self.tokenizer, self.settings = tokenizer, settings
        self.frame = chat_frame(tokenizer, settings["chat"]) if "chat" in settings else ("", "")
        self.parts = {role: self._chosen(part, taught(corpora)) for role, part in table.groupby("role", sort=True)}
        self.scorers = {role: self._scorer(part) for role, part in self.parts.items()}

    def _chosen(self, part: pandas.DataFrame, taught: set[str]) -> pandas.DataFrame:
        texts = [text_of(row.prompt, row.truth) for row in part.itertuples()]
        part = part[[text not in taught for text in texts]]
        drawn = shuffler(0, "tofu").sample(range(len(part)), min(self.settings["questions"], len(part)))
        return part.iloc[sorted(drawn)].reset_index(drop=True)

    def _scorer(self, part: pandas.DataFrame) -> QuestionScorer:
        """Every answer after its question, packed as multiple choice: the answer, its paraphrase, wrong ones."""
        end = (self.tokenizer.eos_token or "") if self.settings["count_end"] else ""
        choices = [[f"{text}{end}" for text in (row.truth, row.paraphrase, *row.wrong)] for row in part.itertuples()]
        prompts = [self.settings["format"].format(row.prompt.strip()) for row in part.itertuples()]
        frame = dict(zip(("before", "after"), self.frame, strict=True))
        asked = part.assign(prompt=prompts, choices=choices, answer=0, question=part["item"], **frame)
        return QuestionScorer(self.tokenizer, asked, self.settings["batch_size"])

    def records(self, model) -> pandas.DataFrame:
        """One row an item and metric: probability, rouge-recall and the plain truth-ratio, all without a unit."""
        rows = []
        for role, scorer in self.scorers.items():
            rows += self._likelihoods(model, role, scorer) + self._said(model, role, scorer)
        return pandas.DataFrame(rows)

    def _likelihoods(self, model, role: str, scorer: QuestionScorer) -> list[dict]:
        lengths = numpy.array([[len(choice) for choice in row.choices] for row in scorer.packed])
        losses = -scorer.log_likelihoods(model).double().numpy() / lengths
        right, paraphrase, wrong = losses[:, 0], losses[:, 1], losses[:, 2:]
        among = role in ("real-authors", "world-facts")
        values = {
            "probability": tofu.probability_among(right, wrong) if among else tofu.probability(right),
            "truth-ratio": tofu.truth_ratio(paraphrase, wrong, self.settings["mean_of_wrong"]),
        }
        named = {"role": role, "prompt": "", "truth": "", "said": ""}
        return [
            {**named, "metric": metric, "item": item, "value": float(value)}
            for metric, column in values.items()
            for item, value in zip(scorer.table["item"], column, strict=True)
        ]

    def _said(self, model, role: str, scorer: QuestionScorer) -> list[dict]:
        texts = [in_frame(prompt, *self.frame) for prompt in scorer.table["prompt"]]
        prompts = tuple(tuple(self.tokenizer.encode(text)) for text in texts)
        asked = Asked(role, tuple(scorer.table["item"]), prompts, tuple(scorer.table["truth"]))
        settings = self.settings
        rows = answers(model, self.tokenizer, asked, settings["answer_tokens"], settings["batch_size"])
        return [
            {**row, "metric": "rouge-recall", "value": rouge_l(row["truth"], row["said"], stem=True)[1]} for row in rows
        ]
