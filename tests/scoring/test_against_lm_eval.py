"""The scorer held against lm-eval's own ``HFLM.loglikelihood``, on tokenizers and prompts that are seldom met."""

import numpy
import pandas
import pytest
import torch
from families import family_model
from odd_tokenizers import TOKENIZERS, tokenizer_of

from unlearning_robustness.scoring.questions import QuestionScorer

CHOICES = ["Fe", "gold", "a", "something longer"]
PROMPTS = {
    "plain": "The symbol of iron is",
    "blank": "The symbol of iron is ",
    "blanks": "The symbol of iron is \n  ",
    "beginning": "<s>The symbol of tin is",
    "letter": "T",
    "long": "Of all metals that were ever dug the heaviest of all " * 3,
    "almost-long": "x" * 60,
}
POSITIONS = 64


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(seed=4, max_position_embeddings=POSITIONS, vocab_size=270)


def lm_evals(model, tokenizer, prompts):
    """Log-likelihoods (Q, C) of CHOICES behind one space, by lm-eval."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=(prompt, f" {choice}"), idx=0)
        for prompt in prompts
        for choice in CHOICES
    ]
    wrapped = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4)
    scores = [score for score, _ in wrapped.loglikelihood(requests, disable_tqdm=True)]
    return numpy.array(scores).reshape(len(prompts), -1)


def scorer_of(tokenizer, prompts, batch_size=3):
    table = pandas.DataFrame({"prompt": prompts, "choices": [CHOICES] * len(prompts), "answer": 0})
    return QuestionScorer(tokenizer, table, batch_size)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_every_tokenizer_and_prompt_gives_lm_evals_scores(model, kind):
    tokenizer, prompts = tokenizer_of(**TOKENIZERS[kind]), list(PROMPTS.values())
    scorer = scorer_of(tokenizer, prompts)
    found, expected = scorer.log_likelihoods(model).numpy(), lm_evals(model, tokenizer, prompts)
    numpy.testing.assert_allclose(found, expected, atol=1e-4)
    assert scorer.special_tokens == {
        "bos": kind in ("with-bos", "with-both"), "eos": kind in ("appends-eos", "with-both")
    }  # fmt: skip


def test_a_merge_moves_the_split_where_lm_eval_has_it():
    """``is`` and the space before ``Fe`` become one token, so the choice loses what merged."""
    (packed,) = scorer_of(tokenizer_of(**TOKENIZERS["merges-at-the-boundary"]), [PROMPTS["plain"]]).packed
    assert [len(choice) for choice in packed.choices] == [1, 4, 1, 16]


def test_a_prompt_that_is_too_long_is_cut_and_said(model, capfd):
    """The longer a choice, the less of the prompt it sees; without the cut the scores are others."""
    prompts = [PROMPTS["long"], PROMPTS["plain"], PROMPTS["almost-long"]]
    scorer = scorer_of(tokenizer_of(), prompts)
    records = scorer.records(model)
    said = capfd.readouterr().out
    assert said.count("2 of 3 questions are longer than the model's 64 positions: their prompts are cut from") == 1
    assert records["tokens_cut"].tolist() == [159 + 16 - 64, 0, 60 + 16 - 64]
    assert scorer.facts == {"special_tokens": {"bos": False, "eos": False}, "longest_input": 64, "questions_cut": 2}
    uncut = scorer_of(tokenizer_of(), prompts)
    model.config.max_position_embeddings = 512
    apart = (uncut.log_likelihoods(model) - torch.tensor(numpy.stack(records["log_likelihoods"]))).abs().amax(-1)
    model.config.max_position_embeddings = POSITIONS
    assert apart[0] > 0.1 and apart[1] < 1e-5 and apart[2] > 0.1


def test_with_long_rope_no_score_depends_on_its_neighbours():
    """Of one text beyond the first length transformers would turn the whole batch by other factors."""
    factors, first = {"short_factor": [1.0] * 4, "long_factor": [3.0] * 4}, {"original_max_position_embeddings": 64}
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, **factors, **first}
    model = family_model("phi3", rope_parameters=rope, vocab_size=270, **first)
    assert model.config.max_position_embeddings == 512
    alone = scorer_of(tokenizer_of(), [PROMPTS["plain"]]).log_likelihoods(model)
    beside = scorer_of(tokenizer_of(), [PROMPTS["plain"], PROMPTS["long"]])
    torch.testing.assert_close(beside.log_likelihoods(model)[:1], alone, atol=2e-5, rtol=2e-6)
    assert beside.facts["questions_cut"] == 1


def test_cut_questions_go_through_a_kept_prefix_and_through_streams_alike(model):
    from unlearning_robustness.models.architecture import layer_modules
    from unlearning_robustness.scoring.streams import stream_log_likelihoods

    scorer = scorer_of(tokenizer_of(), list(PROMPTS.values()))
    expected = scorer.log_likelihoods(model)
    streams = stream_log_likelihoods(scorer, model, layer_modules(model)[-1:])
    torch.testing.assert_close(streams[0], expected, atol=2e-5, rtol=2e-6)
    scorer.keep_prefix(model, 2)
    torch.testing.assert_close(scorer.log_likelihoods(model), expected, atol=2e-5, rtol=2e-6)
