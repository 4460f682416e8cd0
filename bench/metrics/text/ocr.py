"""Text accuracy: what an OCR engine reads in a picture against the text the prompt asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from bench.core.fingerprint import fingerprint
from bench.metrics.text import matching, published
from bench.metrics.text.engines.base import Engine, TextLine, reading
from bench.metrics.text.engines.rapidocr import RapidEngine
from bench.metrics.text.engines.tesseract import TesseractEngine
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.metrics.base import Sample
    from bench.types import ImageRecord, ScoreRow

VERSION = 3
_RULE = "NFKC but for numbers, case folded but for the strict, _case, oneig and anytext columns; words with signs; CJK by character"
_NO_TEXT = "the prompt asks for no text"
_NO_WORDS = "the expected text has no letters, digits or signs"
_NOT_LATIN = "the expected text has no characters this benchmark counts"
_OWN: tuple[tuple[str, str, bool, float | None], ...] = (
    ("exact", "share", True, 0.0),
    ("exact_case", "share", True, 0.0),
    ("strict", "share", True, 0.0),
    ("recall", "share", True, 0.0),
    ("precision", "share", True, 0.0),
    ("f1", "share", True, 0.0),
    ("cer", "edits/char", False, 1.0),
    ("ned", "similarity", True, 0.0),
    ("ned_case", "similarity", True, 0.0),
    ("anytext_acc", "share", True, 0.0),
    ("anytext_ned", "similarity", True, 0.0),
)
_PUBLISHED: tuple[tuple[str, str, bool, float | None], ...] = (
    ("longtext", "share", True, 0.0),
    ("oneig_ed", "edits", False, None),
    ("oneig_cr", "share", True, 0.0),
    ("oneig_wac", "share", True, 0.0),
)
_ABOUT = {
    "ocr.exact": "text read exactly as asked", "ocr.recall": "words that were read", "ocr.ned": "letters alike",
    "ocr.cer": "wrong letters",
}  # fmt: skip
_SUMMED = frozenset({"longtext", "oneig_wac"})
"""Columns whose authors average over all words of the set, not over pictures."""


@dataclass(frozen=True)
class TextAccuracy:
    """How much of the text a prompt asks for an engine reads in the picture.

    Every expected region is matched with a run of recognised lines (``bench.metrics.text.matching.assign``). Columns, each below the
    metric's name:

    - ``exact``, ``exact_case``: 1 if every word of every region is read, in order, else 0. Signs with a meaning are part of
      words ("$5.00", "C++", "well-known"); other punctuation and apostrophes do not count.
    - ``strict``: 1 if every region is read as it is, case, spaces and punctuation included, else 0.
    - ``recall``, ``precision``, ``f1``: multisets of words of the whole picture, in any order. Precision counts every
      word read, also in places where no text is expected; it is 0 where nothing is read.
    - ``cer``: character edits over characters expected, both summed over the regions. ``ned``, ``ned_case``: 1 - edits /
      longer length, mean of the regions; a similarity.
    - ``anytext_acc``, ``anytext_ned``: AnyText's values, mean of the regions (``bench.metrics.text.published.anytext``).
    - ``longtext``: LongText-Bench's text accuracy of this picture. ``oneig_ed``, ``oneig_cr``, ``oneig_wac``: OneIG's
      edit distance, completion and word accuracy. Published scores of ``longtext`` and ``oneig_wac`` are
      micro-averaged over the set: sum ``detail["hits"]`` and ``detail["asked"]`` of the rows, then divide. They do not
      apply to text without Latin letters, digits or Chinese characters.

    Prompts without expected text are not applicable. ``detail`` of ``exact`` has the lines with their confidence and,
    for each region, what was read and the words that are missing, added, or changed.

    Attributes:
        engine: what reads, ``RapidEngine`` or ``TesseractEngine``.
    """

    headline_columns: ClassVar[frozenset[str]] = frozenset({"ocr.exact", "ocr.recall", "ocr.ned"})
    """In the first table, which has those of the default engine only."""

    name: str = "ocr"
    engine: Engine = field(default_factory=RapidEngine)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns it fills."""
        return tuple(self._column(end, unit, up, worst) for end, unit, up, worst in (*_OWN, *_PUBLISHED))

    def _column(self, end: str, unit: str, up: bool, worst: float | None) -> Column:  # noqa: FBT001 - a line of the tables above
        """One column; the answer weighs ``exact`` where the first table has it."""
        name = f"{self.name}.{end}"
        headline = name in self.headline_columns
        return Column(
            name, unit, up, worst, about=_ABOUT.get(name, ""), headline=headline, weighed=headline and end == "exact",
            order=150, aggregate="ratio" if end in _SUMMED else "mean",
        )  # fmt: skip

    def fingerprint(self) -> str:
        """The engine with its models and scaling, and how text is normalised."""
        return fingerprint(self.name, VERSION, **self.engine.fingerprint_fields(), normalisation=_RULE)

    def not_applicable_reason(self, record: ImageRecord) -> str | None:
        """Prompts that ask for no text, or for none but punctuation."""
        return _no_text(record)

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """A row of each column for every picture.

        Raises:
            MissingPackageError: the engine is not installed, does not work or fails its self-test.
        """
        fingerprint = self.fingerprint()
        return [row for sample in samples for row in self._score(sample, fingerprint)]

    def _score(self, sample: Sample, fingerprint: str) -> list[ScoreRow]:
        record = sample.record
        values, details = measure(_regions(record), reading(self.engine, sample))
        rows = []
        for column in self.columns:
            end = column.name.removeprefix(f"{self.name}.")
            if end in values:
                rows.append(column.scored(fingerprint, values[end], record, details.get(end)))
            else:
                rows.append(column.missing(fingerprint, _NOT_LATIN, record, status="not_applicable"))
        return rows


def _regions(record: ImageRecord) -> list[str]:
    """The expected texts that have a word."""
    return [text for text in record.expected_text if matching.words(text)]


def _no_text(record: ImageRecord) -> str | None:
    if _regions(record):
        return None
    return _NO_WORDS if record.expected_text else _NO_TEXT


def measure(expected: Sequence[str], lines: Sequence[TextLine]) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Values and details of every column that applies, by the end of its name; each text in ``expected`` has a word."""
    texts = [line.text for line in lines]
    matches = matching.assign(expected, texts)
    cased = [matching.match(m.expected, m.read, fold=False) for m in matches]
    counts, _ = matching.counted(matches, texts)
    anytext = [published.anytext(m.expected, m.read) for m in matches]
    values = {
        "exact": float(all(m.exact for m in matches)),
        "exact_case": float(all(m.exact for m in cased)),
        "strict": float(all(matching.is_strict(m.expected, m.read) for m in matches)),
        "recall": counts.recall,
        "precision": counts.precision,
        "f1": counts.f1,
        "cer": sum(m.edits for m in matches) / sum(m.length for m in matches),
        "ned": _mean([m.ned for m in matches]),
        "ned_case": _mean([m.ned for m in cased]),
        "anytext_acc": _mean([w.accurate for w in anytext]),
        "anytext_ned": _mean([w.ned for w in anytext]),
    }
    regions = [
        {
            "expected": m.expected,
            "read": m.read,
            "missing": [*m.missing],
            "added": [*m.added],
            "changed": [list(pair) for pair in m.changed],
        }
        for m in matches
    ]
    details: dict[str, dict[str, Any]] = {
        "exact": {"lines": _listed(lines), "regions": regions},
        "recall": {"hits": counts.hits, "asked": counts.expected, "read": counts.read},
    }
    longtext, oneig = published.longtext(expected, texts), published.oneig(expected, texts)
    if longtext.expected:
        values |= {
            "longtext": longtext.ratio,
            "oneig_ed": float(oneig.edits),
            "oneig_cr": float(oneig.complete),
            "oneig_wac": oneig.words.ratio,
        }
        details["longtext"] = {"hits": longtext.read, "asked": longtext.expected}
        details["oneig_wac"] = {"hits": oneig.words.read, "asked": oneig.words.expected}
    return values, details


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _listed(lines: Sequence[TextLine]) -> list[list[str | float]]:
    return [[line.text, round(line.confidence, 3)] for line in lines]


@dataclass(frozen=True)
class Agreement:
    """How alike two engines read a picture: 1 - edits / longer length of the two readings' letters, 0 to 1.

    A low value means that one of them misreads, so that the picture's ``ocr`` scores deserve a look. Case is folded;
    two empty readings agree. Prompts without expected text are not applicable.

    Attributes:
        first, second: the engines; both must be installed.
    """

    name: str = "ocr_agreement"
    first: Engine = field(default_factory=RapidEngine)
    second: Engine = field(default_factory=TesseractEngine)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One: the similarity."""
        return (Column(self.name, "similarity", about="text as asked", headline=False, weighed=False, order=150),)

    def fingerprint(self) -> str:
        """Both engines' fields."""
        both = {"first": self.first, "second": self.second}
        fields = {f"{which}_{key}": value for which, engine in both.items() for key, value in engine.fingerprint_fields().items()}
        return fingerprint(self.name, VERSION, **fields, normalisation=_RULE)

    def not_applicable_reason(self, record: ImageRecord) -> str | None:
        """As for TextAccuracy."""
        return _no_text(record)

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """A row a picture, with what each engine read.

        Raises:
            MissingPackageError: one of the engines is not installed, does not work or fails its self-test.
        """
        fingerprint, (column,) = self.fingerprint(), self.columns
        return [self._score(sample, column, fingerprint) for sample in samples]

    def _score(self, sample: Sample, column: Column, fingerprint: str) -> ScoreRow:
        readings = [matching.joined([line.text for line in reading(engine, sample)]) for engine in (self.first, self.second)]
        value = matching.similarity(*(matching.letters(text) for text in readings))
        return column.scored(fingerprint, value, sample.record, {self.first.name: readings[0], self.second.name: readings[1]})


@dataclass(frozen=True)
class StrayText:
    """Words in the picture that the prompt does not ask for: 0 or more, lower is better.

    All words read count where the prompt asks for no text, else the surplus over the expected ones (multisets, case
    folded; a misspelt word is a surplus too). Lines the engine is unsure of are left out: it sees letters in
    shapes. ``detail`` lists the words.

    Attributes:
        confidence: 0 to 1; lines that the engine is less sure of do not count.
    """

    name: str = "stray_text"
    engine: Engine = field(default_factory=RapidEngine)
    confidence: float = 0.8

    @property
    def columns(self) -> tuple[Column, ...]:
        """One: the number of words."""
        return (
            Column(self.name, "words", higher_is_better=False, about="words nobody asked for", headline=False, weighed=False, order=160),
        )

    def fingerprint(self) -> str:
        """The engine and the threshold."""
        return fingerprint(self.name, VERSION, **self.engine.fingerprint_fields(), normalisation=_RULE, confidence=self.confidence)

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture can have text that its prompt does not ask for."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """A row a picture.

        Raises:
            MissingPackageError: the engine is not installed, does not work or fails its self-test.
        """
        fingerprint, (column,) = self.fingerprint(), self.columns
        return [column.scored(fingerprint, *self._surplus(sample.record, reading(self.engine, sample))) for sample in samples]

    def _surplus(self, record: ImageRecord, lines: Sequence[TextLine]) -> tuple[float, ImageRecord, Mapping[str, Any]]:
        sure = [line.text for line in lines if line.confidence >= self.confidence]
        _, stray = matching.counted(matching.assign(_regions(record), sure), sure)
        words = [word for word in stray if any(map(str.isalnum, word))]  # engines see a "+" or "=" in lines and leaves
        return float(len(words)), record, {"words": words}
