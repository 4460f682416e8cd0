"""What is said of weights on this machine: their hash, and how to get them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from bench.errors import MissingWeightsError
from bench.weights import hub

if TYPE_CHECKING:
    from pathlib import Path


def hashed(folder: Path) -> str:
    hub.folder_hash.cache_clear()
    return hub.folder_hash(folder)


def test_a_folders_hash_is_of_the_names_and_contents_of_its_weights(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    file = tmp_path / "unet" / "model.safetensors"
    file.write_bytes(b"weights")
    first = hashed(tmp_path)
    assert first == hashlib.sha256(b"unet/model.safetensors:7\nweights").hexdigest()[:16], "it stands in fingerprints"
    (tmp_path / "readme.md").write_text("no weights")
    assert hashed(tmp_path) == first
    file.write_bytes(b"weighty")
    assert hashed(tmp_path) != first
    file.rename(tmp_path / "unet" / "other.safetensors").write_bytes(b"weights")
    assert hashed(tmp_path) != first


def test_of_a_large_file_size_and_both_ends_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_WHOLE", 8)
    monkeypatch.setattr(hub, "_EDGE", 2)
    file = tmp_path / "model.bin"

    def of(data: bytes) -> str:
        file.write_bytes(data)
        return hashed(tmp_path)

    assert of(b"abcdefghi") == of(b"abcXefghi"), "the middle is passed over"
    assert len({of(data) for data in (b"abcdefghi", b"aXcdefghi", b"abcdefgXi", b"abcdefghij")}) == 4
    assert of(b"abcdefgh") != of(b"abcXefgh"), "a file of just the limit is read whole"


def test_a_repository_that_is_not_here_has_no_commit_and_a_wrong_name_is_refused() -> None:
    assert hub.cached_commit("nobody/nothing", None) is None
    with pytest.raises(MissingWeightsError, match="neither a folder nor the name"):
        hub.cached_commit("a/b/c", None)


def test_what_is_missing_is_named_with_the_command() -> None:
    assert "hf download a/b" in hub.how_to_get("model", "a/b", gated=False)
    assert "licence" not in hub.how_to_get("model", "a/b", gated=False)
    assert "hf auth login, then download them once with: hf download a/b" in hub.how_to_get("model", "a/b", gated=True)
