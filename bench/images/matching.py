"""Which prompt a picture from elsewhere was made from: by file name, similar words, order, or a manifest."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import ConfigError, PromptError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.types import Prompt

_SEED = re.compile(r"^(?P<id>.+?)[_-](?:s|seed)?(?P<seed>\d{1,6})$")
_CODE = re.compile(r"[_-][0-9a-f-]{8,}(_\d+)?$")
"""What services append to a file name: a hash or a UUID, and the place in a grid."""
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
    ordered = sorted(files, key=lambda f: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", f.name.lower())])
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
        PromptError: a row without file, with one that is not there, or with an unknown id.
    """
    by_id, by_text = {p.id: p for p in prompts}, {p.text.strip(): p for p in prompts}
    files: list[Path] = []
    matches: list[Matched | None] = []
    for line, row in _rows(source):
        if not row.get("file"):
            raise PromptError(f"{source}:{line}: no 'file'")
        file = source.parent / str(row["file"])
        if not file.is_file():
            raise PromptError(f"{source}:{line}: there is no file {str(row['file'])!r} beside the manifest")
        seed = row.get("seed")
        if seed not in (None, "") and not str(seed).isdigit():
            raise PromptError(f"{source}:{line}: seed {seed!r} must be a whole number")
        if row.get("prompt_id"):
            if row["prompt_id"] not in by_id:
                raise PromptError(f"{source}:{line}: {unknown('prompt id', str(row['prompt_id']), by_id)}")
            prompt, how = by_id[str(row["prompt_id"])], "manifest, id"
        elif str(row.get("prompt", "")).strip() in by_text:
            prompt, how = by_text[str(row["prompt"]).strip()], "manifest, text"
        else:
            files.append(file)
            matches.append(None)
            continue
        files.append(file)
        matches.append(Matched(file, prompt, int(seed) if seed not in (None, "") else 0, how))
    return files, matches


def _rows(source: Path) -> list[tuple[int, dict[str, Any]]]:
    text = source.read_text(encoding="utf-8-sig")
    if source.suffix.lower() == ".csv":
        return list(enumerate(csv.DictReader(io.StringIO(text)), 2))
    try:
        return [(n, json.loads(line)) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    except json.JSONDecodeError as error:
        raise PromptError(f"{source}: not JSON Lines: {error.msg}") from error
