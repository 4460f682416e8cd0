"""Pictures made elsewhere become a run: Midjourney exports, archived DALL·E 3 images, screenshots."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import environment
from bench.errors import ConfigError, PromptError, unknown
from bench.types import Job, Prompt, Rendered, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.store import Run
    from bench.types import PromptSet

ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}
_SEED = re.compile(r"^(?P<id>.+?)[_-](?:s|seed)?(?P<seed>\d{1,6})$")


@dataclass(frozen=True)
class Matched:
    """A file and the prompt it was made from; ``how`` says by what they were matched."""

    file: Path
    prompt: Prompt
    seed: int | None
    how: str


@dataclass(frozen=True)
class Plan:
    """What an import would do: matches, files nobody claims, prompts without a picture."""

    matched: tuple[Matched, ...]
    unmatched: tuple[Path, ...]
    uncovered: tuple[Prompt, ...]


def plan(source: Path, prompts: PromptSet) -> Plan:
    """Match a folder's pictures, or a manifest's rows, with the prompts of a set.

    A manifest is a .csv or .jsonl with ``file`` (relative to it) and ``prompt_id`` or ``prompt``, and optionally
    ``seed``. A folder's files are matched by name: "<id>", "<id>_s<seed>", "<id>-<number>", or the prompt's own words.

    Raises:
        ConfigError: no such folder or manifest, nothing matches, or two files claim one prompt and seed.
    """
    if source.is_dir():
        files = sorted(f for f in source.rglob("*") if f.suffix.lower() in ENDINGS)
        found = [_by_name(f, prompts.prompts) for f in files]
    elif source.suffix.lower() in {".csv", ".jsonl"} and source.is_file():
        files, found = _by_manifest(source, prompts.prompts)
    else:
        raise ConfigError(f"{str(source)!r} is neither a folder of pictures nor a manifest (.csv or .jsonl)")
    matched = tuple(m for m in found if m is not None)
    if not matched:
        ids = ", ".join(p.id for p in prompts.prompts[:3])
        raise ConfigError(
            f"no picture in {source} matches a prompt of {prompts.name!r}; name files after prompt ids ({ids}, …) or give a manifest"
        )
    claims: dict[tuple[str, int | None], Path] = {}
    for one in matched:
        other = claims.setdefault((one.prompt.id, one.seed), one.file)
        if other != one.file:
            raise ConfigError(
                f"{other.name} and {one.file.name} both claim prompt {one.prompt.id!r} (seed {one.seed}); add _s0, _s1, … to their names"
            )
    covered = {m.prompt.id for m in matched}
    return Plan(
        matched,
        tuple(f for f, m in zip(files, found, strict=True) if m is None),
        tuple(p for p in prompts.prompts if p.id not in covered),
    )


def write(matches: Plan, prompts: PromptSet, run: Run, *, name: str, provenance: Mapping[str, str]) -> int:
    """Store the matched pictures as they are; returns how many were new."""
    facts = environment.facts()
    where = environment.key(facts)
    count = 0
    with run.lock():
        done = {r.key for r in run.records()}
        run.update_info(
            name=run.name, label=name, imported=True, hosted=True, provenance=dict(provenance), model=name,
            description=provenance.get("source", ""), prompt_sets={prompts.name: prompts.hash}, environments={where: facts},
        )  # fmt: skip
        for match in matches.matched:
            data = match.file.read_bytes()
            width, height = _size(data, match.file)
            request = Request(
                name, provenance.get("model_version", ""), match.prompt.text, match.prompt.negative_prompt, match.seed, width, height
            )
            job = Job(match.prompt, request)
            if job.key in done:
                continue
            detail = {"imported": True, "file": match.file.name, "matched_by": match.how, "no_latency": "made elsewhere"}
            run.save(job, Rendered("ok", data, detail=detail), prompt_set=prompts, environment=where)
            count += 1
        run.compact()
    return count


def _size(data: bytes, file: Path) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - slow import

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.verify()
            return image.size
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ConfigError(f"{file} is not a readable picture: {error}") from error


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _by_name(file: Path, prompts: Sequence[Prompt]) -> Matched | None:
    ids = {p.id.lower(): p for p in prompts}
    stem = file.stem.lower()
    if stem in ids:
        return Matched(file, ids[stem], 0, "file name")
    split = _SEED.match(stem)
    if split and split["id"] in ids:
        return Matched(file, ids[split["id"]], int(split["seed"]), "file name and seed")
    said = _words(re.sub(r"[_-][0-9a-f-]{8,}(_\d+)?$", "", file.stem))
    starts = [p for p in prompts if len(said) >= 20 and said.find(_words(p.text)[: max(20, len(said) // 2)]) >= 0]
    return Matched(file, starts[0], 0, "words of the prompt in the file name") if len(starts) == 1 else None


def _by_manifest(source: Path, prompts: Sequence[Prompt]) -> tuple[list[Path], list[Matched | None]]:
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
