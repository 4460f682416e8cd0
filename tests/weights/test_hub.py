"""Which weights are on this machine: folders by content, hub repositories by commit, without any network."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bench.core import resources
from bench.errors import ConfigError, MissingWeightsError
from bench.weights import hub

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository in a hub cache of its own, with one file."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    hub.cached_commit.cache_clear()
    return "owner/name"


def test_a_folder_is_named_by_the_project_by_path_or_by_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.local_folder("weights/clip-tiny") == resources.folder("weights") / "clip-tiny"
    assert hub.local_folder(str(tmp_path)) == tmp_path
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub.local_folder("~/mine") == tmp_path / "mine"
    assert hub.local_folder("owner/name") is None


def test_a_folder_called_weights_beside_the_work_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, shipped = tmp_path / "weights" / "mine", resources.folder("weights") / "clip-tiny"
    own.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = hub.local_folder("weights/mine")
    assert found is not None
    assert found.resolve() == own
    assert hub.local_folder("weights/clip-tiny") == shipped, "the project's, where there is no other"
    shutil.copytree(shipped, tmp_path / "weights" / "clip-tiny")
    assert hub.local_folder("weights/clip-tiny") == shipped, "a copy of it"
    (tmp_path / "weights" / "clip-tiny" / "config.json").write_text("{}")
    hub.folder_hash.cache_clear()
    with pytest.raises(ConfigError, match=r"another one that ships with this program; \./weights/clip-tiny means the one here"):
        hub.local_folder("weights/clip-tiny")
    found = hub.local_folder("./weights/clip-tiny")
    assert found is not None
    assert found.resolve() == tmp_path / "weights" / "clip-tiny"


def test_a_folder_has_its_content_for_identity(tmp_path: Path) -> None:
    places = [tmp_path / place / "model" for place in "abc"]
    for place, text in zip(places, ("{}", "{}", "{ }"), strict=True):
        place.mkdir(parents=True)
        (place / "config.json").write_text(text)
    first, copy, changed = (hub.identity(str(place), None) for place in places)
    assert first == copy != changed
    assert first == f"model@{hub.folder_hash(places[0])}"


def test_of_a_large_file_size_and_both_ends_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_WHOLE", 8)
    monkeypatch.setattr(hub, "_EDGE", 2)

    def hash_of(content: bytes) -> str:
        (tmp_path / "model.bin").write_bytes(content)
        hub.folder_hash.cache_clear()
        return hub.folder_hash(tmp_path)

    hashes = [hash_of(content) for content in (b"ab......yz", b"ab..!...yz", b"aB......yz", b"ab......yZ", b"ab.......yz")]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_a_repository_has_its_commit_for_identity(cached: str) -> None:
    assert hub.identity(cached, None) == f"owner/name@{COMMIT}"
    assert hub.cached_commit(cached, None) is None, "a cache without model_index.json holds no pipeline"
    assert hub.identity("owner/other", None) == "owner/other@main"
    assert hub.identity("owner/other", "v2", uncached="missing") == "owner/other@v2"
    assert hub.identity("owner/other", None, uncached="missing") == "owner/other@missing"


def test_a_file_is_looked_up_where_the_weights_are(cached: str, tmp_path: Path) -> None:
    found = hub.local_file(cached, None, "config.json")
    assert found is not None
    assert found.read_text() == "{}"
    assert hub.local_file(cached, None, "other.json") is None
    (tmp_path / "here.json").touch()
    assert hub.local_file(str(tmp_path), None, "here.json") == tmp_path / "here.json"
    assert hub.local_file(str(tmp_path), None, "gone.json") is None


def test_a_name_that_is_neither_is_refused() -> None:
    with pytest.raises(MissingWeightsError, match="neither a folder nor the name of a hub repository"):
        hub.identity("a/b/c", None)


def test_how_to_get_them_names_the_licence_of_gated_ones() -> None:
    assert "accept the licence" in hub.how_to_get("flux", "owner/name", gated=True)
    free = hub.how_to_get("flux", "owner/name", gated=False)
    assert "hf download owner/name" in free
    assert "licence" not in free
