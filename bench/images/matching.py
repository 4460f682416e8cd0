"""Which prompt a picture from elsewhere was made from: by file name, similar words, order, or a manifest."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from bench.core.files import printable
from bench.core.lines import csv_rows, json_lines, read_text
from bench.errors import ConfigError, PromptError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.types import Prompt

_SEED = re.compile(r"^(?P<id>.+?)[_-](?:s|seed)?(?P<seed>\d{1,6})$")
_CODE = re.compile(r"[_-][0-9a-f-]{8,}(_\d+)?$")
"""What services append to a file name: a hash or a UUID, and the place in a grid."""
_WHOLE = re.compile(r"([0-9]+)(?:\.0*)?")
MAX_SEED = 2**63 - 1
"""The largest seed that a run can store."""
MIN_SIMILARITY, MIN_LEAD = 0.6, 0.1
"""What ``by_words`` asks of the best prompt: its similarity, 0 to 1, and its lead over the second."""


@dataclass(frozen=True)
class Matched:
    """A file, the prompt and seed that it was made from, and how they were matched (words for people)."""

    file: Path
    prompt: Prompt
    seed: int | None
    how: str


def by_name(files: Sequence[Path], prompts: Sequence[Prompt]) -> list[Matched | None]:
    """By file name: "<id>", "<id>_s<seed>", "<id>-<number>", or the prompt's own words, whole or from their beginning."""
    return [_named(file, prompts) for file in files]


def by_words(files: Sequence[Path], prompts: Sequence[Prompt]) -> list[Matched | None]:
    """By similar words: for names that are cut short, begin with a user's name or leave words out.

    Similarity: words in both file name and prompt, in the same order, by the smaller of the two numbers of words. The best
    prompt needs ``MIN_SIMILARITY``, and ``MIN_LEAD`` over the second. Seeds count up in the order of the files.
    """
    matches: list[Matched | None] = []
    count: Counter[str] = Counter()
    for file, named in zip(files, by_name(files, prompts), strict=True):
        if named is not None and named.how.startswith("file name"):
            matches.append(named)
            continue
        own_words = _words(_CODE.sub("", file.stem)).split()
        scores = sorted(((_similarity(own_words, _words(p.text).split()), i) for i, p in enumerate(prompts)), reverse=True)
        (best, i), second = scores[0], scores[1][0] if len(scores) > 1 else 0.0
        if best < MIN_SIMILARITY or best - second < MIN_LEAD:
            matches.append(None)
            continue
        matches.append(Matched(file, prompts[i], count[prompts[i].id], f"similar words, {best:.2f}"))
        count[prompts[i].id] += 1
    return matches


def by_order(files: Sequence[Path], prompts: Sequence[Prompt]) -> list[Matched | None]:
    """By order: files sorted by name (2 before 10), the same number for each prompt, prompts in the order of the set.

    Raises:
        ConfigError: the number of files is no multiple of the number of prompts.
    """
    each, rest = divmod(len(files), len(prompts))
    if rest or not each:
        raise ConfigError(f"{len(files)} pictures for {len(prompts)} prompts: --match order needs as many, or a multiple")
    ordered = sorted(files, key=lambda f: [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", f.name.lower()))])
    return [Matched(file, prompts[i // each], i % each, "order") for i, file in enumerate(ordered)]


STRATEGIES: dict[str, Callable[[Sequence[Path], Sequence[Prompt]], list[Matched | None]]] = {
    "name": by_name,
    "words": by_words,
    "order": by_order,
}
"""The choices of ``--match``."""


def _similarity(a: Sequence[str], b: Sequence[str]) -> float:
    """Number of words in both, in the same order / number of words of the shorter; 0 for fewer than three."""
    fewer = min(len(a), len(b))
    if fewer < 3:
        return 0.0
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / fewer


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _without_case(prompts: Sequence[Prompt]) -> dict[str, Prompt]:
    """Prompts by their ids in lower case, without those of which another differs in case only."""
    count = Counter(p.id.lower() for p in prompts)
    return {p.id.lower(): p for p in prompts if count[p.id.lower()] == 1}


def _named(file: Path, prompts: Sequence[Prompt]) -> Matched | None:
    for ids, stem in (({p.id: p for p in prompts}, file.stem), (_without_case(prompts), file.stem.lower())):
        if stem in ids:
            return Matched(file, ids[stem], 0, "file name")
        split = _SEED.match(stem)
        if split and split["id"] in ids:
            return Matched(file, ids[split["id"]], int(split["seed"]), "file name and seed")
    name = _words(_CODE.sub("", file.stem))
    starts = [p for p in prompts if len(name) >= 20 and name.find(_words(p.text)[: max(20, len(name) // 2)]) >= 0]
    return Matched(file, starts[0], 0, "words of the prompt in the file name") if len(starts) == 1 else None


def by_manifest(source: Path, prompts: Sequence[Prompt]) -> tuple[list[Path], list[Matched | None]]:
    """By the rows of a .csv or .jsonl: ``file`` (beside it), ``prompt_id`` or ``prompt``, and perhaps ``seed``.

    Raises:
        PromptError: the manifest cannot be read; a row without file, with one that is not there, with an unknown id, or with a
            seed that is no whole number from 0 to 2^63 - 1.
    """
    by_id, by_text = {p.id: p for p in prompts}, {p.text.strip(): p for p in prompts}
    files: list[Path] = []
    matches: list[Matched | None] = []
    for line, row in _rows(source):
        where = f"{printable(source)}:{line}"
        files.append(_file(row, source.parent, where))
        seed = _seed(row.get("seed"), where)
        prompt_id, text = str(row.get("prompt_id") or ""), str(row.get("prompt") or "").strip()
        if prompt_id and prompt_id not in by_id:
            raise PromptError(f"{where}: {unknown('prompt id', prompt_id, by_id)}")
        if prompt_id:
            matches.append(Matched(files[-1], by_id[prompt_id], seed, "manifest, id"))
        elif text in by_text:
            matches.append(Matched(files[-1], by_text[text], seed, "manifest, text"))
        else:
            matches.append(None)
    return files, matches


def _file(row: Mapping[str, Any], folder: Path, where: str) -> Path:
    """The file that a row names, with the "/" or the backslash of Windows between folders."""
    name = str(row.get("file") or "")
    if not name:
        raise PromptError(f"{where}: no 'file'")
    try:
        file = next((f for f in (folder / name, folder / name.replace("\\", "/")) if f.is_file()), None)
    except OSError:  # a name that no file can have
        file = None
    if file is None:
        raise PromptError(f"{where}: there is no file {name[:200]!r} beside the manifest")
    return file


def _seed(value: object, where: str) -> int:
    """A seed as programs write it, "3.0" too; 0 where there is none."""
    text = "" if value is None else str(value).strip()
    if not text:
        return 0
    whole = _WHOLE.fullmatch(text)
    if whole is None or isinstance(value, bool):
        raise PromptError(f"{where}: seed {value!r} must be a whole number")
    digits = whole[1].lstrip("0") or "0"
    if len(digits) > len(str(MAX_SEED)) or int(digits) > MAX_SEED:
        raise PromptError(
            f"{where}: seed {text} is larger than {MAX_SEED}, the largest that is stored; count 0, 1, 2, … for each prompt instead"
        )
    return int(digits)


def _rows(source: Path) -> list[tuple[int, dict[str, Any]]]:
    """Line numbers and rows of a manifest."""
    try:
        text = read_text(source)
    except OSError as error:
        raise PromptError(f"{printable(source)} cannot be read: {error.strerror}") from error
    return csv_rows(text, source)[1] if source.suffix.lower() == ".csv" else json_lines(text, source)
