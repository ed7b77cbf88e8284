"""What a model still says of texts that it should have forgotten: the metrics of MUSE (arXiv 2407.06460).

Verbatim memorisation: ROUGE-L of the greedy continuation of a text's beginning. Knowledge memorisation: ROUGE-L of
greedy answers. Privacy leakage is made of Min-k % scores of forget and hold-out texts, see ``analysis.memorisation``.
Differs from MUSE's released code by asking facts that relearning never teaches, and by shots outside the test split.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas
import torch
from rouge_score.rouge_scorer import RougeScorer

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.errors import DataError
from unlearning_robustness.evaluation.generation import continuations, tokens_with
from unlearning_robustness.models.bank import pad
from unlearning_robustness.scoring.likelihood import token_log_probabilities
from unlearning_robustness.scoring.records import BUDGET
from unlearning_robustness.seeds import shuffler

QUESTION = "Question: {}\nAnswer:"
# MUSE's code does not stem (OpenUnlearning's does, so its numbers are higher).
ROUGE = RougeScorer(["rougeL"], use_stemmer=False)


def rouge_l(truth: str, said: str) -> tuple[float, float]:
    """F measure and recall of the longest common subsequence of words; case and punctuation do not count."""
    score = ROUGE.score(truth, said)["rougeL"]
    return score.fmeasure, score.recall


def min_k(log_probabilities: torch.Tensor, mask: torch.Tensor, share: float) -> torch.Tensor:
    """Min-k % probability (Shi et al. 2023, arXiv 2310.16789): (N,), the mean of the least likely tokens.

    ``log_probabilities`` (N, T) and ``mask`` (N, T) of real tokens; of n real tokens the floor of ``share`` n count,
    as in MUSE's code, and at least one. High is what a model shows on texts that it was trained on.
    """
    lowest = log_probabilities.masked_fill(~mask, torch.inf).sort(dim=-1).values
    counts = (mask.sum(-1) * share).floor().long().clamp(min=1)
    taken = torch.arange(lowest.shape[-1], device=lowest.device)[None] < counts[:, None]
    return lowest.masked_fill(~taken, 0.0).sum(-1) / counts


@dataclass(frozen=True)
class Asked:
    """Prompts as token ids, with the role, the name and the true continuation of each."""

    role: str
    items: tuple[str, ...]
    prompts: tuple[tuple[int, ...], ...]
    truths: tuple[str, ...]


def long_texts(tokenizer, corpora: pandas.DataFrame, corpus: str, settings: dict) -> dict[str, list[int]]:
    """Document to token ids of at most ``documents`` prose texts, all cut to the same number of tokens.

    Texts that the attacker of relearning trains on are left out: what comes back must have been there. Raises
    DataError when fewer than two are long enough.
    """
    length = settings["prompt_tokens"] + settings["continuation_tokens"]
    told = corpora[(corpora["corpus"] == corpus) & (corpora["kind"] == "prose")]
    told = told[~told["text"].isin(corpora.loc[corpora["corpus"] == "relearn", "text"])]
    encoded = {row.document: tokenizer.encode(row.text)[:length] for row in told.itertuples()}
    fitting = sorted(name for name, ids in encoded.items() if len(ids) == length)
    if len(fitting) < 2:
        raise DataError(
            f"{len(fitting)} {corpus} texts have {length} tokens: lower memorisation.prompt_tokens or "
            "continuation_tokens, or change corpora.forget_prose_documents"
        )
    chosen = shuffler(0, f"memorisation/{corpus}").sample(fitting, min(settings["documents"], len(fitting)))
    return {name: encoded[name] for name in chosen}


def questions_asked(tokenizer, questions: pandas.DataFrame, role: str, settings: dict) -> Asked:
    """Facts of the role's test split behind answered questions of its select split; DataError when these are too few.

    Questions are beginnings of sentences here, which the answer ends.
    """
    facts = questions[questions["role"] == role].drop_duplicates("fact").sort_values("fact")
    shown, tested = (facts[facts["split"] == split].to_dict("records") for split in ("select", "test"))
    if len(shown) < settings["shots"]:
        raise DataError(f"{settings['shots']} shots, {len(shown)} {role} facts to show: lower memorisation.shots")
    draw = shuffler(0, f"memorisation/{role}")
    shots = [f"{QUESTION.format(row['prompt'])} {_answer(row)}\n\n" for row in draw.sample(shown, settings["shots"])]
    rows = draw.sample(tested, min(settings["questions"], len(tested)))
    prompts = [tokenizer.encode("".join(shots) + QUESTION.format(row["prompt"])) for row in rows]
    return Asked(role, tuple(row["fact"] for row in rows), tuple(map(tuple, prompts)), tuple(map(_answer, rows)))


def _answer(row: dict) -> str:
    return row["choices"][row["answer"]]


class MemorisationProbe:
    """Texts and questions of a benchmark, tokenised once, asked of as many models as wanted."""

    def __init__(self, tokenizer, corpora: pandas.DataFrame, questions: pandas.DataFrame, settings: dict):
        self.tokenizer, self.settings = tokenizer, settings
        self.texts = {name: long_texts(tokenizer, corpora, name, settings) for name in ("forget", "holdout")}
        self.asked = [questions_asked(tokenizer, questions, role, settings) for role in ("forget", "retain")]
        self.ends = tokens_with(tokenizer, "\n")

    def records(self, model) -> pandas.DataFrame:
        """One row a text or question and metric: metric, role, item, value, prompt, truth, said.

        ``verbatim`` and ``knowledge`` are F measures in 0..1, as MUSE reports, with their recall beside them;
        ``min-k`` is in nats.
        """
        cut = self.settings["prompt_tokens"]
        texts = self.texts["forget"]
        prompts = tuple(tuple(ids[:cut]) for ids in texts.values())
        truths = tuple(self.tokenizer.decode(ids[cut:]) for ids in texts.values())
        verbatim = Asked("forget", tuple(texts), prompts, truths)
        rows = self._said(model, "verbatim", verbatim, self.settings["continuation_tokens"], ())
        for asked in self.asked:
            rows += self._said(model, "knowledge", asked, self.settings["answer_tokens"], self.ends)
        return pandas.DataFrame(rows + self._min_k(model))

    def _said(self, model, metric: str, asked: Asked, tokens: int, ends: Sequence[int]) -> list[dict]:
        said = continuations(model, self.tokenizer, asked.prompts, tokens, self.settings["batch_size"], ends)
        rows = []
        for item, prompt, truth, answer in zip(asked.items, asked.prompts, asked.truths, said, strict=True):
            named = {"role": asked.role, "item": item, "prompt": self.tokenizer.decode(list(prompt)), "truth": truth}
            measure, recall = rouge_l(truth, answer)
            rows.append({**named, "metric": metric, "value": measure, "said": answer})
            rows.append({**named, "metric": f"{metric}-recall", "value": recall, "said": answer})
        return rows

    @torch.no_grad()
    def _min_k(self, model) -> list[dict]:
        rows, device = [], next(model.parameters()).device
        for role, texts in self.texts.items():
            names = list(texts)
            for start in range(0, len(names), self.settings["batch_size"]):
                chosen = names[start : start + self.settings["batch_size"]]
                ids, mask = (part.to(device) for part in pad([texts[name] for name in chosen]))
                logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
                scores = min_k(token_log_probabilities(logits, ids), mask[:, 1:], self.settings["least_likely"])
                rows += [
                    {
                        "metric": "min-k",
                        "role": role,
                        "item": name,
                        "value": value,
                        "prompt": "",
                        "truth": "",
                        "said": "",
                    }
                    for name, value in zip(chosen, scores.tolist(), strict=True)
                ]
        return rows


def measure_memorisation(
    model, probe: MemorisationProbe, corpora: pandas.DataFrame, cell: Cell, attack: Sequence
) -> pandas.DataFrame:
    """Records of a model, and again at the end of the budget of ``attack``, an (id, resolved entry) or nothing."""
    parts = [_label(probe.records(model), cell, "none", {})]
    if attack:
        name, entry = attack
        running = ATTACKS[entry["kind"]](**end_of_budget(entry["parameters"]))
        for attacked in running.run(AttackInput(model, probe.tokenizer, corpora, cell.seed)):
            parts.append(_label(probe.records(attacked.model), cell, name, attacked.budget))
    return pandas.concat(parts, ignore_index=True)


def end_of_budget(parameters: dict) -> dict:
    """An attack's parameters with the largest entry alone of every part of its budget."""
    return {name: [max(value)] if name in BUDGET else value for name, value in parameters.items()}


def _label(rows: pandas.DataFrame, cell: Cell, attack: str, budget: dict[str, int]) -> pandas.DataFrame:
    return rows.assign(**vars(cell), attack=attack, **(dict.fromkeys(BUDGET, 0) | budget))
