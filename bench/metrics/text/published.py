"""The text metrics of published benchmarks, as their authors' programs compute them: pure functions of strings.

They differ from ``bench.metrics.text.matching`` in how text is cleaned, so each keeps its authors' name.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.metrics.text.matching import edit_distance, similarity

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCENTED = "àâäéèêëîïôöùûüçÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ"
_DROPPED = re.compile(rf"[^\u4e00-\u9fa5a-zA-Z0-9\s{_ACCENTED}]")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character in ``text``: then characters are counted, not words."""
    return bool(_CHINESE.search(text))


def cleaned(text: str, *, chinese: bool) -> str:
    """What both benchmarks keep: Chinese characters, Latin letters with French accents, digits; everything else vanishes.

    White space becomes single, or vanishes too when ``chinese``.

    >>> cleaned("It's  open - 24h!", chinese=False)
    'Its open 24h'
    """
    return ("" if chinese else " ").join(_DROPPED.sub("", text).split())


@dataclass(frozen=True)
class Hits:
    """Words (of Chinese: characters) that were read, of those expected; a set's score is sum(read) / sum(expected)."""

    read: int
    expected: int

    @property
    def ratio(self) -> float:
        """Of this picture alone, 0 to 1; 0 where nothing countable is expected."""
        return self.read / self.expected if self.expected else 0.0


def _hits(expected: Sequence[str], read: Sequence[str]) -> Hits:
    return Hits((Counter(expected) & Counter(read)).total(), len(expected))


def longtext(expected: Sequence[str], lines: Sequence[str]) -> Hits:
    """LongText-Bench's text accuracy (X-Omni, arXiv:2507.22058): recall of the multiset of words, or of Chinese characters.

    Cleaned; lower case, unless the text is Chinese. The published score is micro-averaged over the set,
    sum of ``read`` / sum of ``expected``; it is not the mean of ``ratio``.
    """
    gold, read = " ".join(expected), " ".join(lines)
    if is_chinese(gold):
        return _hits(cleaned(gold, chinese=True), cleaned(read, chinese=True))
    return _hits(cleaned(gold, chinese=False).lower().split(), cleaned(read, chinese=False).lower().split())


@dataclass(frozen=True)
class OneIG:
    """OneIG-Bench's three text values of one picture (arXiv:2506.07977), case-sensitive.

    Attributes:
        edits: ED, Levenshtein distance of the cleaned texts, in characters with their spaces.
        complete: CR, whether ``edits`` is 0; the set's completion rate is its mean.
        words: WAC, words (characters of Chinese) read and expected, micro-averaged over the set.
    """

    edits: int
    complete: bool
    words: Hits


def oneig(expected: Sequence[str], lines: Sequence[str]) -> OneIG:
    """ED, CR and WAC of one picture; several regions are joined by a space, in the order of the prompt."""
    gold, read = " ".join(expected), " ".join(lines)
    a = cleaned(gold, chinese=is_chinese(gold))
    b = cleaned(read, chinese=is_chinese(read))
    edits = edit_distance(a, b)
    return OneIG(edits, edits == 0, _hits(a, b) if is_chinese(a) else _hits(a.split(), b.split()))


def oneig_text_score(ed: float, cr: float, wac: float, *, chinese: bool = False) -> float:
    """OneIG-Bench's single text score of a set from its ED, CR and WAC: 1 - min(M, ED)·(1 - CR)·(1 - WAC) / M.

    M is 100 for the English set and 50 for the Chinese one. 0 to 1, higher is better.
    """
    limit = 50 if chinese else 100
    return 1 - min(limit, ed) * (1 - cr) * (1 - wac) / limit


@dataclass(frozen=True)
class AnyText:
    """AnyText's two values of one line (arXiv:2311.03054).

    Attributes:
        accurate: the line is read exactly as expected, case, spaces and punctuation included (Sen. ACC is its mean).
        ned: 1 - distance / longer length, 0 to 1, a similarity in spite of its name.
    """

    accurate: bool
    ned: float


def anytext(expected: str, read: str) -> AnyText:
    """Sen. ACC and NED of one line, on the texts as they are.

    The authors read the place where the line should be; here the recognised lines that match it best stand in for that.
    They add 1e-5 to the length in NED, which moves it by less than 1e-5 / length.
    """
    return AnyText(expected == read, similarity(expected, read))
