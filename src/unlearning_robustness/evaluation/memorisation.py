"""How much a model still knows of texts that it should have forgotten: the metrics of MUSE (arXiv 2407.06460).

Verbatim memorisation: ROUGE-L of the greedy continuation of a text's beginning. Knowledge memorisation: ROUGE-L of
greedy answers. Privacy leakage compares Min-k % scores of forget and hold-out texts, see ``analysis.memorisation``.
Questions are published, or written from a benchmark's facts and texts. On facts this differs from MUSE's released code
by asking what relearning never teaches, and by shots outside the test split.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas
import torch

from unlearning_robustness.errors import DataError
from unlearning_robustness.evaluation.open_answers import LINE, Asked, answers, rouge_l, taught
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.encoding import pad
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.likelihood import token_log_probabilities
from unlearning_robustness.scoring.text_logits import float32_logits, need_scorable


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
class Material:
    """What is asked of every model: beginnings of texts, questions of each role, and the token ids of each text whose
    membership is guessed, by role (forget, holdout) and name. ``stops`` end an answer.
    """

    verbatim: Asked
    knowledge: tuple[Asked, ...]
    members: dict[str, dict[str, list[int]]]
    stops: tuple[str, ...]


def long_texts(tokenizer, corpora: pandas.DataFrame, corpus: str, settings: dict) -> dict[str, list[int]]:
    """Document to token ids of at most ``documents`` prose texts, all cut to the same number of tokens.

    Texts that the attacker of relearning trains on are left out: what comes back must have been there. Raises
    DataError when fewer than two are long enough.
    """
    length = settings["prompt_tokens"] + settings["continuation_tokens"]
    prose = corpora[(corpora["corpus"] == corpus) & (corpora["kind"] == "prose")]
    prose = prose[~prose["text"].isin(corpora.loc[corpora["corpus"] == "relearn", "text"])]
    encoded = {row.document: tokenizer.encode(row.text)[:length] for row in prose.itertuples()}
    fitting = sorted(name for name, ids in encoded.items() if len(ids) == length)
    if len(fitting) < 2:
        raise DataError(
            f"{len(fitting)} {corpus} texts have {length} tokens: lower memorisation.prompt_tokens or "
            "continuation_tokens, or change benchmarks.*.corpora.forget_prose_documents"
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
    shots = [(row["prompt"], _answer(row)) for row in draw.sample(shown, settings["shots"])]
    rows = draw.sample(tested, min(settings["questions"], len(tested)))
    prompts = behind(tokenizer, shots, [row["prompt"] for row in rows], settings["format"])
    return Asked(role, tuple(row["fact"] for row in rows), prompts, tuple(map(_answer, rows)))


def _answer(row: dict) -> str:
    return row["choices"][row["answer"]]


def behind(
    tokenizer, shots: Sequence[tuple[str, str]], questions: Sequence[str], form: str
) -> tuple[tuple[int, ...], ...]:
    """Token ids of each question in ``form``, after answered ones, with a blank line between them."""
    shown = "".join(f"{form.format(question).rstrip()} {answer}\n\n" for question, answer in shots)
    return tuple(tuple(tokenizer.encode(shown + form.format(question))) for question in questions)


def of_facts(tokenizer, corpora: pandas.DataFrame, questions: pandas.DataFrame, settings: dict) -> Material:
    """Prompts and members are texts of the corpora, all cut to one length; questions ask the benchmark's facts."""
    texts = {name: long_texts(tokenizer, corpora, name, settings) for name in ("forget", "holdout")}
    cut, forget = settings["prompt_tokens"], texts["forget"]
    prompts = tuple(tuple(ids[:cut]) for ids in forget.values())
    truths = tuple(tokenizer.decode(ids[cut:]) for ids in forget.values())
    knowledge = tuple(questions_asked(tokenizer, questions, role, settings) for role in ("forget", "retain"))
    return Material(Asked("forget", tuple(forget), prompts, truths), knowledge, texts, (LINE,))


def of_published(tokenizer, table: pandas.DataFrame, corpora: pandas.DataFrame, settings: dict) -> Material:
    """MUSE's own prompts, questions, shots and texts (data.muse.open_questions), in the published order.

    True continuations are cut to as many tokens as the model continues, as in MUSE's code; texts whose membership is
    guessed are whole, up to ``longest_text`` tokens, and none is one that only the attacker learns.
    """
    parts = {key: part.reset_index(drop=True) for key, part in table.groupby(["part", "role"])}
    begun = parts["verbatim", "forget"].head(settings["documents"])
    cut = settings["continuation_tokens"]
    truths = (tokenizer.decode(tokenizer.encode(text)[:cut], skip_special_tokens=True) for text in begun["truth"])
    verbatim = Asked("forget", tuple(begun["item"]), behind(tokenizer, [], begun["prompt"], "{}"), tuple(truths))
    knowledge = []
    for role in ("forget", "retain"):
        shown, asked = parts["shots", role], parts["knowledge", role].head(settings["questions"])
        if len(shown) < settings["shots"]:
            raise DataError(f"{settings['shots']} shots, {len(shown)} {role} ones published: lower memorisation.shots")
        shots = list(zip(shown["prompt"], shown["truth"], strict=True))[: settings["shots"]]
        prompts = behind(tokenizer, shots, asked["prompt"], settings["format"])
        knowledge.append(Asked(role, tuple(asked["item"]), prompts, tuple(asked["truth"])))
    only_taught, members = taught(corpora), {}
    for role in ("forget", "holdout"):
        part = parts["membership", role]
        part = part[~part["truth"].isin(only_taught)]
        ids = [tokenizer.encode(text)[: settings["longest_text"]] for text in part["truth"]]
        members[role] = dict(zip(part["item"], ids, strict=True))
    return Material(verbatim, tuple(knowledge), members, ("\n\n", "\nQuestion", "Question:"))


class MemorisationProbe:
    """Material of a benchmark, tokenised once, to ask any number of models."""

    def __init__(self, tokenizer, material: Material, settings: dict):
        self.tokenizer, self.material, self.settings = tokenizer, material, settings

    def records(self, model) -> pandas.DataFrame:
        """One row a text or question and metric: metric, role, item, value, prompt, truth, said.

        ``verbatim`` and ``knowledge`` are F measures in 0..1, as MUSE reports, with their recall beside them;
        ``min-k`` is in nats.
        """
        material, settings = self.material, self.settings
        rows = self._said(model, "verbatim", material.verbatim, settings["continuation_tokens"], ())
        for asked in material.knowledge:
            rows += self._said(model, "knowledge", asked, settings["answer_tokens"], material.stops)
        return pandas.DataFrame(rows + self._min_k(model))

    def _said(self, model, metric: str, asked: Asked, tokens: int, stops: Sequence[str]) -> list[dict]:
        rows = []
        for row in answers(model, self.tokenizer, asked, tokens, self.settings["batch_size"], stops):
            measure, recall = rouge_l(row["truth"], row["said"])
            rows.append({**row, "metric": metric, "value": measure})
            rows.append({**row, "metric": f"{metric}-recall", "value": recall})
        return rows

    @torch.no_grad()
    def _min_k(self, model) -> list[dict]:
        rows, device, logits_of = [], next(model.parameters()).device, float32_logits(model)
        for role, texts in self.material.members.items():
            names = list(texts)
            labels = [f"{role} text {name}" for name in names]
            need_scorable(model, [len(texts[name]) for name in names], labels, "memorisation.longest_text")
            for start in range(0, len(names), self.settings["batch_size"]):
                chosen = names[start : start + self.settings["batch_size"]]
                ids, mask = (part.to(device) for part in pad([texts[name] for name in chosen]))
                log_probabilities = token_log_probabilities(logits_of(ids, mask), ids)
                scores = min_k(log_probabilities, mask[:, 1:], self.settings["least_likely"])
                need_finite(scores, labels[start : start + self.settings["batch_size"]])
                unsaid = {"prompt": "", "truth": "", "said": ""}
                rows += [
                    {"metric": "min-k", "role": role, "item": name, "value": value, **unsaid}
                    for name, value in zip(chosen, scores.tolist(), strict=True)
                ]
        return rows
