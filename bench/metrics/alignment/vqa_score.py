"""What a judge is asked about a picture, and how its answer becomes a number: pure functions of text and probabilities."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

TEMPLATE = 'Does this figure show "{prompt}"? Please answer yes or no.'
"""The question of VQAScore (Lin et al., ECCV 2024)."""
ANSWER_FORM = " Please answer yes or no."
DERIVE = (
    "Below is a description of a picture. Write 3 to 8 short questions about the picture that can be answered with yes or no by looking at "
    "it. Each question checks one thing the description asks for: an object, a number, a colour, a property, a position, an action, a "
    "written text or the style. Together they cover the description; none repeats another and none asks about anything the description "
    'leaves open. "Yes" must mean that the picture fits. Write one question a line and nothing else.\n\nDescription: {prompt}'
)
"""The request for questions; the idea is TIFA's (Hu et al., ICCV 2023) and DSG's (Cho et al., ICLR 2024)."""
MIN_QUESTIONS, MAX_QUESTIONS = 3, 8
_MIN_PROBABILITY = 0.1
"""With less than this on yes and no together, the answer is neither."""
_LIST_MARKER = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):]|Q\d{1,2}[.:])\s*")
_YES_OR_NO = re.compile(r"[\s\"'“‘`*_([{<#]*(yes|no)\b", re.IGNORECASE)


def soft_score(top: Iterable[tuple[str, float]]) -> float | None:
    """P(yes) / (P(yes) + P(no)), 0 to 1, from (token, natural log-probability) pairs of the first answer token.

    Spellings that differ in case or in surrounding spaces and marks are summed; what is not among the pairs has
    probability 0. None where the two words together have less than 0.1: then the answer does not begin with either.

    >>> soft_score([("Yes", -0.105360516), ("no", -2.302585093)])  # 0.9 and 0.1
    0.9
    """
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in top:
        word = token.strip(" \t\n\r\"'“”‘’`*_.,!:▁Ġ").lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    total = mass["yes"] + mass["no"]
    return round(mass["yes"] / total, 9) if total >= _MIN_PROBABILITY else None


def plain_score(answer: str) -> float | None:
    """1 where the answer begins with yes, 0 where it begins with no, None for anything else."""
    match = _YES_OR_NO.match(answer)
    return None if match is None else float(match[1].lower() == "yes")


def parse_questions(answer: str) -> tuple[str, ...]:
    """The questions in a judge's list: lines that end in a question mark, without numbering, each once, eight at most."""
    lines = (_LIST_MARKER.sub("", line).strip().strip('"“”*') for line in answer.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line.endswith("?") and len(line) > 1))[:MAX_QUESTIONS]


def cost(tokens_in: int, tokens_out: int, usd_in: float | None, usd_out: float | None) -> float:
    """US dollars of so many tokens at prices per million; NaN where a price is unknown.

    >>> cost(2_000_000, 500_000, 0.4, 1.6)
    1.6
    """
    if usd_in is None or usd_out is None:
        return math.nan
    return (tokens_in * usd_in + tokens_out * usd_out) / 1e6
