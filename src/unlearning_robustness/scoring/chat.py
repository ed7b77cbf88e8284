"""Questions in a model's chat template: the question is the user's turn, a choice the beginning of the assistant's.

That is how open-unlearning asks TOFU, and lm-eval with ``--apply_chat_template``. A question keeps its own words, which
probes and attacks change, and what the template puts before and after them.
"""

from collections.abc import Mapping

from jinja2 import TemplateError

from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.encoding import special_tokens

# Stand in for the question and the answer while the template is read.
QUESTION, ANSWER = "\u2983question\u2984", "\u2983answer\u2984"


def chat_frame(tokenizer, settings: Mapping) -> tuple[str, str]:
    """What the template puts before the user's words, and between them and the assistant's.

    ``settings`` may have the ``system`` turn's text and ``arguments`` of the template. Raises DataError, which names
    the key, for a tokenizer without a template, and for a template that refuses them or writes today's date.
    """
    key, arguments = "benchmarks.*.chat", dict(settings.get("arguments", {}))
    if not tokenizer.chat_template:
        raise DataError(f"{key}: the model's tokenizer has no chat template; leave it out")
    if "strftime_now" in tokenizer.chat_template and "date_string" not in arguments:
        raise DataError(f"{key}.arguments.date_string: missing; the template would write today's date into questions")
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
    if "system" in settings:
        turns = [{"role": "system", "content": settings["system"]}, *turns]
    try:
        asked = tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True, **arguments)
        whole = tokenizer.apply_chat_template(turns, tokenize=False, **arguments)
    except TemplateError as error:
        raise DataError(f"{key}: the model's chat template refuses it ({error}); correct it or leave it out") from None
    before, _, after = asked.partition(QUESTION)
    # Some templates put more before the answer than a request for one ends with, such as a space or empty thoughts.
    if QUESTION not in asked or (whole.startswith(asked) and ANSWER not in whole):
        raise DataError(f"{key}: the model's chat template does not show the question and the answer; leave it out")
    if whole.startswith(asked):
        after += whole[len(asked) : whole.index(ANSWER)]
    if special_tokens(tokenizer)["bos"]:
        # Encoding adds the beginning of sequence that the template has as well.
        before = before.removeprefix(tokenizer.bos_token)
    return before, after


def in_frame(prompt: str, before: str = "", after: str = "") -> str:
    """The whole text that a model reads before a choice."""
    return f"{before}{prompt}{after}"


def joint(after: str) -> str:
    """What stands between that text and a choice: a space, but a template ends where the answer begins."""
    return "" if after else " "


def with_choice(row, choice: str) -> str:
    """The whole text with a choice; ``row`` has prompt and, where it is asked in a chat, before and after."""
    before, after = getattr(row, "before", ""), getattr(row, "after", "")
    return f"{in_frame(row.prompt, before, after)}{joint(after)}{choice}"
