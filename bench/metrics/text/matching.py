"""How well recognised text matches expected text: pure functions of strings.

Text is compared after Unicode NFKC, from which numbers like ², ½ and ① are kept, and by default case folding. Words are runs of
letters with their marks, digits, and signs that carry meaning ("C++", "$5.00", "24/7", "-5°C", "me@mail.com"); each
Chinese, Japanese or Korean character is a word of its own. The formulas of published benchmarks are in
``bench.metrics.text.published``; they clean text in their authors' ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
"""Characters that count as words, written as the inside of a regular expression's class."""
SIGNS = "+<=>±×÷^%‰&@#/\\_°©®™§№"
"""Signs that carry meaning, with those of currencies; other punctuation does so only inside a word or before a number."""
_UNSPACED = rf"[{CJK}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
"""Scripts that put no space between words."""
_GAP = re.compile(rf"(?<={_UNSPACED})\s+(?={_UNSPACED})")
_CJK = re.compile(rf"[{CJK}]")
_LIKE = str.maketrans(dict.fromkeys("‘’‛ʼ′´`", "'") | dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‐‑‒–—―−", "-"))
"""Marks that engines and writers take for each other."""
_WORD = re.compile(r"c|(?:[.-](?=s?d))?(?:[lds]|(?<=[lds])[.'-](?=[lds])|(?<=d)[,:](?=d))+")
"""A word in the kinds of its characters: c CJK, l letter or mark, d number, s sign, others as they are."""
_SPACED_SIGN = re.compile(rf"\s*([{re.escape(SIGNS)}])\s*")
_OWN_NUMBERS = ("<super>", "<sub>", "<fraction>", "<circle>")
_MAX_LINES = 40


@dataclass(frozen=True)
class Counts:
    """Words in common, words expected, words read; all with multiplicity."""

    hits: int
    expected: int
    read: int

    @property
    def recall(self) -> float:
        """Hits / expected, 0 to 1."""
        return self.hits / self.expected if self.expected else 0.0

    @property
    def precision(self) -> float:
        """Hits / read, 0 to 1; 0 where nothing was read."""
        return self.hits / self.read if self.read else 0.0

    @property
    def f1(self) -> float:
        """2·hits / (expected + read), the harmonic mean of recall and precision."""
        return 2 * self.hits / (self.expected + self.read) if self.expected + self.read else 0.0


@dataclass(frozen=True)
class Match:
    """One expected region against what was read. Characters are those of words: spaces and other punctuation do not count.

    Attributes:
        expected: the text the prompt asks for.
        read: the run of recognised lines that comes nearest to it, "" if nothing was read.
        exact: every word is right, in order.
        edits: Levenshtein distance in characters.
        length: characters expected.
        ned: 1 - edits / longer length, 0 to 1 (a similarity).
        counts: words in common, expected and read; where no character is wrong, all words, wherever the spaces are.
        missing, added: words expected and not read; words read and not expected.
        changed: pairs (expected, read) of words that stand in for one another; they are in neither of the lists above.
        span: the lines of the run, first and one past the last; (0, 0) if there is none.
    """

    expected: str
    read: str
    exact: bool
    edits: int
    length: int
    ned: float
    counts: Counts
    missing: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    span: tuple[int, int] = (0, 0)

    @property
    def cer(self) -> float:
        """Character error rate, edits / length: 0 or more, lower is better; may exceed 1."""
        return self.edits / max(self.length, 1)

    @property
    def recall(self) -> float:
        """Share of the expected words, with multiplicity, that were read."""
        return self.counts.recall


def normalise_text(text: str, *, fold: bool = True) -> str:
    """NFKC but for numbers like ², ½ and ①, case-folded if ``fold``, white space single and none between Chinese characters.

    One kind of apostrophe, quotation mark and dash; invisible characters are left out.

    >>> normalise_text("“５０％ ﬁre”  –10²")
    '"50% fire" -10²'
    """
    visible = "".join(c for c in text.translate(_LIKE) if unicodedata.category(c) != "Cf")
    kept = "".join(c if unicodedata.decomposition(c).startswith(_OWN_NUMBERS) else unicodedata.normalize("NFKC", c) for c in visible)
    text = unicodedata.normalize("NFC", kept)
    return _GAP.sub("", " ".join((text.casefold() if fold else text).split()))


def words(text: str, *, fold: bool = True) -> list[str]:
    """The words of ``text``, without apostrophes; punctuation is no word.

    >>> words("Don't pay $5.00 (24/7): 营业!")
    ['dont', 'pay', '$5.00', '24/7', '营', '业']
    """
    text = normalise_text(text, fold=fold)
    kinds = "".join(map(_kind, text))
    return [text[slice(*found.span())].replace("'", "") for found in _WORD.finditer(kinds)]


@cache
def _kind(character: str) -> str:
    """The kind of a character of normalised text, as ``_WORD`` has it."""
    if _CJK.match(character):
        return "c"
    category = unicodedata.category(character)
    if character in SIGNS or category == "Sc":
        return "s"
    if category[0] in "LM":
        return "l"
    return "d" if category[0] == "N" else character if character in ".,:'-" else " "


def is_exact(expected: str, read: str, *, fold: bool = True) -> bool:
    """Whether the same words were read in the same order; spaces count, but not those around signs and Chinese characters.

    >>> is_exact("Hello, world!", "hello world"), is_exact("50 %", "50%"), is_exact("1.5 L", "15 L"), is_exact("OPEN DAILY", "OPENDAILY")
    (True, True, False, False)
    """
    a, b = (_SPACED_SIGN.sub(r"\1", _GAP.sub("", " ".join(words(text, fold=fold)))) for text in (expected, read))
    return a == b and bool(a)


def is_strict(expected: str, read: str) -> bool:
    """Whether the same text was read, case, spaces and punctuation included, after normalisation.

    >>> is_strict("don’t", "don't"), is_strict("don't", "dont"), is_strict("Open", "OPEN")
    (True, False, False)
    """
    return normalise_text(expected, fold=False) == normalise_text(read, fold=False)


def letters(text: str, *, fold: bool = True) -> str:
    """The words of ``text`` without the spaces between them.

    >>> letters("Open 24h: 营业!")
    'open24h营业'
    """
    return "".join(words(text, fold=fold))


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Levenshtein distance: fewest insertions, deletions and substitutions from ``a`` to ``b``, each at cost 1.

    A column of the table is kept as two bit vectors of its differences (Myers 1999, in Hyyrö's 2003 form), so that
    texts of several hundred characters take well under a millisecond.
    """
    if not a or not b:
        return len(a) + len(b)
    where: dict[Hashable, int] = {}
    for i, item in enumerate(a):
        where[item] = where.get(item, 0) | 1 << i
    every, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, edits = every, 0, len(a)
    for item in b:
        same = where.get(item, 0)
        diagonal = (((same & up) + up) ^ up) | same | down
        right, left = down | (every & ~(diagonal | up)), up & diagonal
        edits += bool(right & last) - bool(left & last)
        right, left = (right << 1 | 1) & every, (left << 1) & every
        up, down = left | (every & ~(diagonal | right)), right & diagonal
    return edits


def similarity(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """1 - distance / longer length, 0 to 1; 1 for two empty texts."""
    return 1 - edit_distance(a, b) / max(len(a), len(b), 1)


def substitutions(expected: Sequence[str], read: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of unlike words that stand in the same place when ``expected`` and ``read`` are aligned.

    A word left out or added costs 1, one replaced by another 2·(1 - similarity), so the likest words pair up.

    >>> substitutions(["was", "mead", "here"], ["made", "here"])
    [('mead', 'made')]
    """
    table = [[float(j) for j in range(len(read) + 1)]]
    for i, x in enumerate(expected, 1):
        row = [float(i)]
        for j, y in enumerate(read, 1):
            row.append(min(table[i - 1][j - 1] + _cost(x, y), table[i - 1][j] + 1, row[j - 1] + 1))
        table.append(row)
    pairs, i, j = [], len(expected), len(read)
    while i and j:
        x, y = expected[i - 1], read[j - 1]
        if table[i][j] == table[i - 1][j - 1] + _cost(x, y):
            pairs += [(x, y)] if x != y else []
            i, j = i - 1, j - 1
        elif table[i][j] == table[i - 1][j] + 1:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _cost(x: str, y: str) -> float:
    return 0.0 if x == y else 2 * (1 - similarity(x, y))


def match(expected: str, read: str, *, fold: bool = True, span: tuple[int, int] = (0, 0)) -> Match:
    """Compare one expected text with one recognised text."""
    expected_words, read_words = words(expected, fold=fold), words(read, fold=fold)
    a, b = "".join(expected_words), "".join(read_words)
    edits, exact = edit_distance(a, b), is_exact(expected, read, fold=fold)
    if edits == 0 and a:
        counts = Counts(len(expected_words), len(expected_words), len(expected_words))
        return Match(expected, read, exact, 0, len(a), 1.0, counts, (), (), (), span)
    missing, added = Counter(expected_words) - Counter(read_words), Counter(read_words) - Counter(expected_words)
    counts = Counts(len(expected_words) - missing.total(), len(expected_words), len(read_words))
    changed = []
    for x, y in substitutions(expected_words, read_words) if missing and added else ():
        if missing[x] > 0 and added[y] > 0:
            changed.append((x, y))
            missing[x], added[y] = missing[x] - 1, added[y] - 1
    ned = 1 - edits / max(len(a), len(b), 1)
    return Match(
        expected, read, exact, edits, len(a), ned, counts, tuple(missing.elements()), tuple(added.elements()), tuple(changed), span
    )


def assign(expected: Sequence[str], lines: Sequence[str], *, fold: bool = True) -> list[Match]:
    """Match every expected region with a run of neighbouring lines, so that the sum of similarities is greatest.

    ``lines`` come in reading order; a region may stretch over up to 40 of them, and a line serves one region only. The
    assignment is the Hungarian optimum over runs; where runs of it overlap, the better match keeps its lines and the
    rest is assigned anew among those left. A region that shares no character with any run stays unread.
    """
    regions, read = [letters(e, fold=fold) for e in expected], [letters(line, fold=fold) for line in lines]
    runs = _runs([len(line) for line in read], max(map(len, regions), default=0))
    if not runs or not expected:
        return [match(e, "", fold=fold) for e in expected]
    texts = ["".join(read[i:j]) for i, j in runs]
    gain = [[similarity(region, text) for text in texts] for region in regions]
    chosen = {row: run for row, run in _optimum(gain, runs).items() if gain[row][run] > 0}
    spans = [runs[chosen[row]] if row in chosen else (0, 0) for row in range(len(expected))]
    return [match(text, joined(lines[slice(*span)]), fold=fold, span=span) for text, span in zip(expected, spans, strict=True)]


def joined(lines: Sequence[str]) -> str:
    """Lines as one text: a space between them, none between Chinese characters."""
    return _GAP.sub("", " ".join(lines))


def _runs(sizes: Sequence[int], longest: int) -> list[tuple[int, int]]:
    """Runs of neighbouring lines, given the characters of each line, that begin and end with a word.

    Runs of several lines with over twice as many characters as the longest region are left out.
    """
    runs = []
    for i in range(len(sizes)):
        total = 0
        for j in range(i + 1, min(len(sizes), i + _MAX_LINES) + 1):
            total += sizes[j - 1]
            if j > i + 1 and total > 2 * longest:
                break
            if sizes[i] and sizes[j - 1]:
                runs.append((i, j))
    return runs


def _optimum(gain: Sequence[Sequence[float]], runs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Row of ``gain`` (regions × runs) to column, no two runs sharing a line."""
    import numpy as np  # noqa: PLC0415 - only here
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow import

    table = np.array(gain)
    if len(table) == 1:
        return {0: int(table[0].argmax())}
    best: dict[int, int] = {}
    free, open_rows = np.ones(len(runs), dtype=bool), list(range(len(table)))
    while open_rows and free.any():
        columns = np.flatnonzero(free)
        picked = linear_sum_assignment(-table[np.ix_(np.array(open_rows), columns)])
        pairs = sorted(((open_rows[r], int(columns[c])) for r, c in zip(*picked, strict=True)), key=lambda rc: -table[rc])
        for row, column in pairs:
            if free[column]:
                best[row] = column
                start, end = runs[column]
                free &= np.array([j <= start or i >= end for i, j in runs])
        open_rows = [r for r in open_rows if r not in best]
    return best


def counted(matches: Sequence[Match], lines: Sequence[str], *, fold: bool = True) -> tuple[Counts, list[str]]:
    """Words of the whole picture, in any order: the counts, and the words read that were not expected.

    Both sides are multisets over all regions and all lines. Lines without a wrong character count as the expected words,
    wherever their spaces are.

    >>> counted(assign(["no no"], ["no", "yes"]), ["no", "yes"])
    (Counts(hits=1, expected=2, read=2), ['yes'])
    """
    right = [m for m in matches if m.edits == 0 and m.length]
    done = {i for m in right for i in range(*m.span)}
    settled = sum(m.counts.expected for m in right)
    expected = Counter(word for m in matches if m.edits or not m.length for word in words(m.expected, fold=fold))
    read = Counter(word for i, line in enumerate(lines) if i not in done for word in words(line, fold=fold))
    hits = settled + (expected & read).total()
    return Counts(hits, settled + expected.total(), settled + read.total()), list((read - expected).elements())
