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
"""What services append to a file name: a hash or a uuid, and the place in a grid."""
MIN_SIMILARITY, MIN_LEAD = 0.6, 0.1


@dataclass(frozen=True)
class Matched:
    """A file and the prompt it was made from; ``how`` says by what they were matched."""

    file: Path
    prompt: Prompt
    seed: int | None
    how: str


def by_name(files: Sequence[Path], prompts: Sequence[Prompt]) -> list[Matched | None]:
    """By file name: "<id>", "<id>_s<seed>", "<id>-<number>", or the prompt's own words, whole or from their beginning."""
    return [_named(file, prompts) for file in files]


def by_words(files: Sequence[Path], prompts: Sequence[Prompt]) -> list[Matched | None]:
    """By similar words: names cut short, with a user's name before them or with words left out.

    The share of the file's or the prompt's words (of the fewer) that stand in both in the same order must be 0.6 or
    more, and 0.1 ahead of every other prompt. Pictures of one prompt are numbered in the order of their names.
    """
    found: list[Matched | None] = []
    count: Counter[str] = Counter()
    for file, named in zip(files, by_name(files, prompts), strict=True):
        if named is not None and named.how.startswith("file name"):
            found.append(named)
            continue
        said = _words(_CODE.sub("", file.stem)).split()
        scores = sorted(((_alike(said, _words(p.text).split()), i) for i, p in enumerate(prompts)), reverse=True)
        (best, i), second = scores[0], scores[1][0] if len(scores) > 1 else 0.0
        if best < MIN_SIMILARITY or best - second < MIN_LEAD:
            found.append(None)
            continue
        found.append(Matched(file, prompts[i], count[prompts[i].id], f"similar words, {best:.2f}"))
        count[prompts[i].id] += 1
    return found


def by_order(files: Sequence[Path], prompts: Sequence[Prompt]) -> list[Matched | None]:
    """By order: files as a person would sort them, as many to each prompt of the set, one after another.

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
"""What ``--match`` can say."""


def _alike(one: Sequence[str], two: Sequence[str]) -> float:
    """Words in both in the same order / the number of the shorter's words; 0 for fewer than three."""
    fewer = min(len(one), len(two))
    if fewer < 3:
        return 0.0
    blocks = SequenceMatcher(None, one, two, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / fewer


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _named(file: Path, prompts: Sequence[Prompt]) -> Matched | None:
    ids = {p.id.lower(): p for p in prompts}
    stem = file.stem.lower()
    if stem in ids:
        return Matched(file, ids[stem], 0, "file name")
    split = _SEED.match(stem)
    if split and split["id"] in ids:
        return Matched(file, ids[split["id"]], int(split["seed"]), "file name and seed")
    said = _words(_CODE.sub("", file.stem))
    starts = [p for p in prompts if len(said) >= 20 and said.find(_words(p.text)[: max(20, len(said) // 2)]) >= 0]
    return Matched(file, starts[0], 0, "words of the prompt in the file name") if len(starts) == 1 else None


def by_manifest(source: Path, prompts: Sequence[Prompt]) -> tuple[list[Path], list[Matched | None]]:
    """By the rows of a .csv or .jsonl: ``file`` (beside it), ``prompt_id`` or ``prompt``, and perhaps ``seed``.

    Raises:
        PromptError: a row without file, with one that is not there, or with an unknown id.
    """
    by_id, by_text = {p.id: p for p in prompts}, {p.text.strip(): p for p in prompts}
    files: list[Path] = []
    found: list[Matched | None] = []
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
            found.append(None)
            continue
        files.append(file)
        found.append(Matched(file, prompt, int(seed) if seed not in (None, "") else 0, how))
    return files, found


def _rows(source: Path) -> list[tuple[int, dict[str, Any]]]:
    text = source.read_text(encoding="utf-8-sig")
    if source.suffix.lower() == ".csv":
        return list(enumerate(csv.DictReader(io.StringIO(text)), 2))
    try:
        return [(n, json.loads(line)) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    except json.JSONDecodeError as error:
        raise PromptError(f"{source}: not JSON Lines: {error.msg}") from error
