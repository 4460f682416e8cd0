"""Which weights are on this machine, which commit they are, and what to do when they are not. Loads no torch."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from bench.core import resources
from bench.errors import ConfigError, MissingWeightsError

_WHOLE = 64 * 2**20
_EDGE = 8 * 2**20


def local_folder(repo: str) -> Path | None:
    """The folder behind ``repo``, None for a hub repository: any folder, or one of the project's weights ("weights/clip-tiny").

    Raises:
        ConfigError: the working directory and the project have unlike folders of that name.
    """
    path = Path(repo).expanduser()
    if not repo.startswith("weights/"):
        return path if path.is_dir() else None
    shipped = resources.folder("weights") / repo.removeprefix("weights/")
    if not path.is_dir() or path.resolve() == shipped.resolve():
        return shipped
    if not shipped.is_dir():
        return path
    if folder_hash(path.resolve()) != folder_hash(shipped):
        raise ConfigError(f"{repo} is a folder here and another one that ships with this program; ./{repo} means the one here")
    return shipped


def identity(repo: str, revision: str | None, *, uncached: str = "main") -> str:
    """Source and version of weights, for fingerprints.

    "NAME@HASH" of a folder, by its content, so that copies of it are one; "OWNER/NAME@COMMIT" of a hub repository. One that
    is not on this machine has its ``revision``, else ``uncached``, for a commit.
    """
    folder = local_folder(repo)
    if folder is not None:
        return f"{folder.name}@{folder_hash(folder)}"
    return f"{repo}@{cached_commit(repo, revision, 'config.json') or revision or uncached}"


def local_file(repo: str, revision: str | None, name: str) -> Path | None:
    """A file of a folder or of the hub's local cache; None when it is not there."""
    folder = local_folder(repo)
    if folder is None:
        return _cached_file(repo, revision, name)
    return folder / name if (folder / name).is_file() else None


@cache
def folder_hash(folder: Path) -> str:
    """SHA-256 (16 hex digits) over names and contents of a folder's weights and configurations.

    Of a file above 64 MiB its size and its first and last 8 MiB enter, so that a 24 GB folder takes seconds.
    """
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix not in {".safetensors", ".json", ".bin", ".model"} or not file.is_file():
            continue
        size = file.stat().st_size
        total.update(f"{file.relative_to(folder).as_posix()}:{size}\n".encode())
        with file.open("rb") as handle:
            if size <= _WHOLE:
                total.update(handle.read())
            else:
                total.update(handle.read(_EDGE))
                handle.seek(-_EDGE, os.SEEK_END)
                total.update(handle.read())
    return total.hexdigest()[:16]


def file_hash(file: Path) -> str:
    """SHA-256 (16 hex digits) of a file's whole content; a file that has changed since is read again."""
    seen = file.stat()
    return _file_hash(file, seen.st_size, seen.st_mtime_ns)


@cache
def _file_hash(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def files(repo: str, revision: str | None = None) -> Path | None:
    """The folder with the files of ``repo``, itself one or a repository in the hub's local cache; None when they are not here.

    Load from this folder, not by the repository's name: given a name, transformers asks the hub for adapters, even where it
    was told ``local_files_only``, and on a machine without network waits half a minute for no answer.
    """
    return local_folder(repo) or cached_snapshot(repo, revision)


def cached_snapshot(repo: str, revision: str | None = None) -> Path | None:
    """The folder of a repository's snapshot in the hub's local cache; None when it is not there, or ``repo`` names no repository."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow import
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415 - slow import

    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


@cache
def cached_commit(repo: str, revision: str | None, file: str = "model_index.json") -> str | None:
    """Commit of the snapshot in the hub's local cache, None when it is not there.

    Raises:
        MissingWeightsError: ``repo`` cannot be the name of a repository.
    """
    path = _cached_file(repo, revision, file)
    return path.parent.name if path else None


def _cached_file(repo: str, revision: str | None, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow import
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415 - slow import

    try:
        path = try_to_load_from_cache(repo, name, revision=revision)
    except HFValidationError as error:
        raise MissingWeightsError(f"{repo!r} is neither a folder nor the name of a hub repository (owner/name)") from error
    return Path(path) if isinstance(path, str) else None


def how_to_get(name: str, repo: str, *, gated: bool) -> str:
    """One message: what is missing, how to get it, what runs without."""
    steps = f"download them once with: hf download {repo}"
    if gated:
        steps = f"accept the licence at the model's page ({repo} on the hub), log in with: hf auth login, then {steps}"
    return (
        f"the weights of {name} ({repo}) are not on this machine; {steps}. "
        "Without any download, model=tiny-dev renders, and model.weights=random times the FLUX.1 and SD3 architectures."
    )
