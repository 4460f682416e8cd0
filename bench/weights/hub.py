"""Which weights are on this machine, which commit they are, and what to do when they are not. Loads no torch."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from bench.errors import MissingWeightsError

_WHOLE = 64 * 2**20
_EDGE = 8 * 2**20


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


@cache
def cached_commit(repo: str, revision: str | None, file: str = "model_index.json") -> str | None:
    """Commit of the snapshot in the hub's local cache, None when it is not there."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow import
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415 - slow import

    try:
        found = try_to_load_from_cache(repo, file, revision=revision)
    except HFValidationError as error:
        raise MissingWeightsError(f"{repo!r} is neither a folder nor the name of a hub repository (owner/name)") from error
    return Path(found).parent.name if isinstance(found, str) else None


def how_to_get(name: str, repo: str, *, gated: bool) -> str:
    """One message: what is missing, how to get it, what runs without."""
    steps = f"download them once with: hf download {repo}"
    if gated:
        steps = f"accept the licence at the model's page ({repo} on the hub), log in with: hf auth login, then {steps}"
    return (
        f"the weights of {name} ({repo}) are not on this machine; {steps}. "
        "Without any download, model=tiny-dev renders, and model.weights=random times the FLUX.1 and SD3 architectures."
    )
