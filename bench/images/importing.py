"""Read pictures made elsewhere from a folder, a zip or a manifest, and match them with prompts."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bench.errors import ConfigError, unknown
from bench.images import decoding, matching
from bench.types import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.images.decoding import Picture
    from bench.images.matching import Matched
    from bench.types import PromptSet

_MANIFESTS = ("manifest.csv", "manifest.jsonl")
_MAX_UNPACKED_BYTES = 8 << 30
ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do.

    Attributes:
        matched: files with their prompts.
        unmatched: files without a prompt.
        uncovered: prompts without a picture.
    """

    matched: tuple[Matched, ...]
    unmatched: tuple[Path, ...]
    uncovered: tuple[Prompt, ...]


@contextlib.contextmanager
def opened(source: Path) -> Iterator[Path]:
    """``source`` itself; of a .zip its manifest (manifest.csv or manifest.jsonl) or folder of pictures, unpacked for a while.

    Raises:
        ConfigError: no zip file, or one of more than 64 MiB in a file or 8 GiB in all.
    """
    if source.suffix.lower() != ".zip" or not source.is_file():
        yield source
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            with zipfile.ZipFile(source) as archive:
                _unpack(archive, folder)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ConfigError(f"{source} cannot be unpacked: {error}") from error
        yield next((folder / name for name in _MANIFESTS if (folder / name).is_file()), folder)


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack pictures and manifest. Raises ConfigError for names that lead out of the folder, and for too much data."""
    total = 0
    for entry in archive.infolist():
        place = PurePosixPath(entry.filename)
        if entry.is_dir() or (place.suffix.lower() not in ENDINGS and entry.filename not in _MANIFESTS):
            continue
        total += entry.file_size
        if place.is_absolute() or ".." in place.parts or "\\" in entry.filename:
            raise ConfigError(f"{archive.filename} holds {entry.filename!r}, which leads out of the folder it is unpacked into")
        if entry.file_size > decoding.MAX_BYTES or total > _MAX_UNPACKED_BYTES:
            raise ConfigError(
                f"{archive.filename} holds more than {decoding.MAX_BYTES >> 20} MiB in one file or {_MAX_UNPACKED_BYTES >> 30} GiB in all; "
                "unpack it yourself"
            )
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file)


def plan_import(source: Path, prompts: PromptSet, match: str = "name") -> ImportPlan:
    """Match a folder's pictures, or a manifest's rows, with the prompts of a set.

    A manifest is a .csv or .jsonl with ``file`` (relative to it) and ``prompt_id`` or ``prompt``, and optionally
    ``seed``. A folder's files are matched as ``match`` says: "name", "words" or "order" (see ``bench.images.matching``).

    Raises:
        ConfigError: no such folder or manifest, nothing matches, or two files claim one prompt and seed.
    """
    if source.is_dir():
        files = sorted(f for f in source.rglob("*") if f.suffix.lower() in ENDINGS)
        if match not in matching.STRATEGIES:
            raise unknown("way to match", match, matching.STRATEGIES)
        matches = matching.STRATEGIES[match](files, prompts.prompts)
    elif source.suffix.lower() in {".csv", ".jsonl"} and source.is_file():
        files, matches = matching.by_manifest(source, prompts.prompts)
    else:
        raise ConfigError(f"{str(source)!r} is neither a folder of pictures nor a manifest (.csv or .jsonl)")
    matched = tuple(m for m in matches if m is not None)
    if not matched:
        ids = ", ".join(p.id for p in prompts.prompts[:3])
        raise ConfigError(
            f"no picture in {source} matches a prompt of {prompts.name!r}; name files after prompt ids ({ids}, …), give a manifest, "
            "or try --match words or --match order"
        )
    files_by_key: dict[tuple[str, int | None], Path] = {}
    for pair in matched:
        first = files_by_key.setdefault((pair.prompt.id, pair.seed), pair.file)
        if first != pair.file:
            raise ConfigError(
                f"{first.name} and {pair.file.name} both claim prompt {pair.prompt.id!r} (seed {pair.seed}); add _s0, _s1, … to their names"
            )
    covered = {m.prompt.id for m in matched}
    return ImportPlan(
        matched,
        tuple(f for f, m in zip(files, matches, strict=True) if m is None),
        tuple(p for p in prompts.prompts if p.id not in covered),
    )


def read_picture(file: Path) -> tuple[bytes, Picture]:
    """A file's bytes, and its format, size and metadata.

    Raises:
        ConfigError: too large, unreadable, or no whole PNG, JPEG or WebP.
    """
    try:
        if file.stat().st_size > decoding.MAX_BYTES:
            raise ConfigError(f"{file} is larger than {decoding.MAX_BYTES >> 20} MiB")
        data = file.read_bytes()
        return data, decoding.inspect(data)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{file} is not a readable picture: {error}") from error
