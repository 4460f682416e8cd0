"""Read pictures made elsewhere from a folder, a zip or a manifest, and match them with prompts."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from bench.core.files import printable
from bench.errors import ConfigError, unknown
from bench.images import decoding, files, matching

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.core.progress import Progress
    from bench.images.decoding import Picture
    from bench.images.matching import Matched
    from bench.types import Prompt, PromptSet

_MANIFESTS = ("manifest.csv", "manifest.jsonl")
_MAX_UNPACKED_BYTES = 8 << 30
_CANDIDATES = files.ENDINGS | files.UNREAD


class Content(NamedTuple):
    """A picture file that was read: the SHA-256 of its bytes, and what it is."""

    sha256: str
    picture: Picture


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do.

    Attributes:
        matched: readable files with their prompts.
        unmatched: files without a prompt.
        uncovered: prompts without a picture.
        contents: of the matched files.
        left_out: files that would have a prompt and cannot be read as a still picture, each with its reason.
        unknown: files of the folder or zip that are no pictures by their names.
    """

    matched: tuple[Matched, ...]
    unmatched: tuple[Path, ...]
    uncovered: tuple[Prompt, ...]
    contents: Mapping[Path, Content]
    left_out: Mapping[Path, str]
    unknown: tuple[Path, ...] = ()


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
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{source} cannot be unpacked: a name in it is not UTF-8; unpack it yourself, and import the folder"
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise ConfigError(f"{source} cannot be unpacked: {error}") from error
        yield next((folder / name for name in _MANIFESTS if (folder / name).is_file()), folder)


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack pictures and manifest; of other files only the names, as empty files, so that the plan can tell them.

    Raises:
        ConfigError: names that lead out of the folder, or too much data.
    """
    total = 0
    for entry in archive.infolist():
        name = _name(entry)
        place = PurePosixPath(name)
        if name.endswith("/") or files.is_leftover(place):
            continue
        if place.is_absolute() or ".." in place.parts:
            raise ConfigError(f"{archive.filename} holds {name!r}, which leads out of the folder it is unpacked into")
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not files.is_picture(place, _CANDIDATES) and name not in _MANIFESTS:
            target.touch()
            continue
        total += entry.file_size
        if entry.file_size > decoding.MAX_BYTES or total > _MAX_UNPACKED_BYTES:
            raise ConfigError(
                f"{archive.filename} holds more than {decoding.MAX_BYTES >> 20} MiB in one file or {_MAX_UNPACKED_BYTES >> 30} GiB in all; "
                "unpack it yourself"
            )
        with archive.open(entry) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file)


def _name(entry: zipfile.ZipInfo) -> str:
    """The name: with "/" where programs of Windows write a backslash, in UTF-8 where macOS writes it without saying so."""
    name = entry.filename
    if not entry.flag_bits & 0x800:  # "names are UTF-8": without it zipfile takes them for code page 437
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def plan_import(source: Path, prompts: PromptSet, match: str = "name", progress: Progress | None = None) -> ImportPlan:
    """Match a folder's pictures, or a manifest's rows, with the prompts of a set, and read those that match.

    A manifest is a .csv or .jsonl with ``file`` (relative to it) and ``prompt_id`` or ``prompt``, and optionally
    ``seed``. A folder's files are matched as ``match`` says: "name", "words" or "order" (see ``bench.images.matching``);
    a file that cannot be read keeps its place in the order, and is left out afterwards.

    Raises:
        ConfigError: no such folder or manifest, nothing matches or can be read, or two files claim one prompt and seed.
    """
    others: list[Path] = []
    if source.is_dir():
        everything = files.inside(source)
        found = [f for f in everything if files.is_picture(f, _CANDIDATES)]
        others = [f for f in everything if not files.is_picture(f, _CANDIDATES)]
        if match not in matching.STRATEGIES:
            raise unknown("way to match", match, matching.STRATEGIES)
        matches = matching.STRATEGIES[match](found, prompts.prompts)
    elif source.suffix.lower() in {".csv", ".jsonl"} and source.is_file():
        found, matches = matching.by_manifest(source, prompts.prompts)
    else:
        raise ConfigError(f"{printable(source)!r} is neither a folder of pictures nor a manifest (.csv or .jsonl)")
    chosen = [m for m in matches if m is not None]
    if not chosen:
        ids = ", ".join(p.id for p in prompts.prompts[:3])
        raise ConfigError(
            f"no picture in {printable(source)} matches a prompt of {prompts.name!r}; name files after prompt ids ({ids}, …), give a "
            f"manifest, or try --match words or --match order{_also(others)}"
        )
    contents, left_out = _read({m.file: None for m in chosen}, progress)
    if not contents:
        raise ConfigError(f"no picture can be read: {listed([f'{printable(f.name)}: {why}' for f, why in left_out.items()], 5, '; ')}")
    matched = tuple(m for m in chosen if m.file in contents)
    _check_claims(matched)
    covered = {m.prompt.id for m in matched}
    return ImportPlan(
        matched,
        tuple(f for f, m in zip(found, matches, strict=True) if m is None),
        tuple(p for p in prompts.prompts if p.id not in covered),
        contents,
        left_out,
        tuple(others),
    )


def listed(names: Sequence[str], limit: int = 20, separator: str = ", ") -> str:
    """``names`` in a line, at most so many of them, and how many more there are."""
    return separator.join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _also(others: Sequence[Path]) -> str:
    return f"; of unknown kind: {listed([printable(f.name) for f in others], 5)}" if others else ""


def _read(paths: Mapping[Path, None], progress: Progress | None) -> tuple[dict[Path, Content], dict[Path, str]]:
    """Decode each file: the contents of pictures, and why the others are none."""
    contents: dict[Path, Content] = {}
    left_out: dict[Path, str] = {}
    with progress.track("pictures", len(paths)) if progress else contextlib.nullcontext(lambda _n: None) as advance:
        for path in paths:
            try:
                data = read_bytes(path)
                contents[path] = Content(hashlib.sha256(data).hexdigest(), decoding.inspect(data, others=True))
            except ValueError as error:
                left_out[path] = str(error)
            advance(1)
    return contents, left_out


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises ValueError where it is larger than ``decoding.MAX_BYTES`` or cannot be read."""
    try:
        if path.stat().st_size > decoding.MAX_BYTES:
            raise ValueError(f"the file is larger than {decoding.MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror or error}") from error


def _check_claims(matched: Sequence[Matched]) -> None:
    """Raise ConfigError where two files claim one prompt and seed."""
    files_by_key: dict[tuple[str, int | None], Path] = {}
    for pair in matched:
        first = files_by_key.setdefault((pair.prompt.id, pair.seed), pair.file)
        if first != pair.file:
            raise ConfigError(
                f"{printable(first.name)} and {printable(pair.file.name)} both claim prompt {pair.prompt.id!r} "
                f"(seed {pair.seed}); add _s0, _s1, … to their names"
            )
