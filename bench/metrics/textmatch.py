"""How well recognised text matches expected text: pure functions of strings.

Text is compared after Unicode NFKC and, unless told otherwise, case folding. Words are runs of letters and digits;
each Chinese, Japanese or Korean character is a word of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’][^\W_{_CJK}]+)*")
_MOST_LINES = 12


@dataclass(frozen=True)
class Match:
    """One expected region against what was read.

    Attributes:
        expected: the text asked for.
        read: the run of recognised lines that comes nearest to it, "" if nothing was read.
        exact: every word is right, in order.
        cer: edit distance / length of the expected text, 0 or more, lower is better; may exceed 1.
        ned: 1 - edit distance / longer length, 0 to 1 (AnyText's similarity).
        recall: share of the expected words, with multiplicity, that were read.
        missing, added: words asked for and not read; words read and not asked for.
    """

    expected: str
    read: str
    exact: bool
    cer: float
    ned: float
    recall: float
    missing: tuple[str, ...]
    added: tuple[str, ...]


def normalise(text: str, *, fold: bool = True) -> str:
    """NFKC, case-folded if ``fold``, white space single, none around Chinese characters."""
    text = unicodedata.normalize("NFKC", text)
    text = " ".join((text.casefold() if fold else text).split())
    return re.sub(rf"(?<=[{_CJK}])\s+(?=[{_CJK}])", "", text)


def words(text: str, *, fold: bool = True) -> list[str]:
    """The words of ``text``; punctuation is no word.

    >>> words("Open 24h: 营业!")
    ['open', '24h', '营', '业']
    """
    return _WORD.findall(normalise(text, fold=fold))


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein distance: least insertions, deletions and substitutions from ``a`` to ``b``."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


def match(expected: str, read: str, *, fold: bool = True) -> Match:
    """Compare one expected text with one recognised text."""
    a, b = "".join(words(expected, fold=fold)), "".join(words(read, fold=fold))
    edits = distance(a, b)
    wanted, seen = Counter(words(expected, fold=fold)), Counter(words(read, fold=fold))
    hit = (wanted & seen).total()
    exact = a == b and bool(a)
    return Match(
        expected,
        read,
        exact,
        edits / max(len(a), 1),
        1 - edits / max(len(a), len(b), 1),
        1.0 if exact else hit / max(wanted.total(), 1),
        () if exact else tuple((wanted - seen).elements()),
        () if exact else tuple((seen - wanted).elements()),
    )


def assign(expected: Sequence[str], lines: Sequence[str], *, fold: bool = True) -> list[Match]:
    """Match every expected region with a run of neighbouring lines, so that the sum of similarities is greatest.

    ``lines`` come in reading order; a region may stretch over several of them. The assignment is the Hungarian optimum
    over runs, then runs already used are struck off region by region.
    """
    import numpy as np  # noqa: PLC0415 - only here
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow import

    runs = [(i, j) for i in range(len(lines)) for j in range(i + 1, min(len(lines), i + _MOST_LINES) + 1)]
    if not runs:
        return [match(e, "", fold=fold) for e in expected]
    texts = [" ".join(lines[i:j]) for i, j in runs]
    table = [[match(e, t, fold=fold) for t in texts] for e in expected]
    gain = np.array([[m.ned for m in row] for row in table])
    if len(expected) == 1:
        return [table[0][int(gain[0].argmax())]]
    best: dict[int, Match] = {}
    free = np.ones(len(runs), dtype=bool)
    open_rows = list(range(len(expected)))
    while open_rows and free.any():
        columns = np.flatnonzero(free)
        picked = linear_sum_assignment(-gain[np.ix_(np.array(open_rows), columns)])
        pairs = sorted(((open_rows[r], int(columns[c])) for r, c in zip(*picked, strict=True)), key=lambda rc: -gain[rc])
        for row, column in pairs:
            if not free[column]:
                continue
            best[row] = table[row][column]
            start, end = runs[column]
            free &= np.array([j <= start or i >= end for i, j in runs])
        open_rows = [r for r in open_rows if r not in best]
    return [best.get(i, match(e, "", fold=fold)) for i, e in enumerate(expected)]
