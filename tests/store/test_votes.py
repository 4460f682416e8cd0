"""The file of votes: what comes back is what was written, and a secret is the first writer's."""

from __future__ import annotations

import math
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench.store import Retraction, Vote, VoteBook

if TYPE_CHECKING:
    from pathlib import Path


def vote(number: int, seconds: float) -> Vote:
    return Vote(f"v{number}", f"b{number}", "s", "Ana", "p", "one", "two", "r1", "r2", "h1", "h2", "a", "a", seconds, "2026-01-01")


@pytest.mark.parametrize("seconds", [2.5, math.nan])
def test_a_vote_comes_back_as_it_was_written(tmp_path: Path, seconds: float) -> None:
    assert VoteBook(tmp_path / "votes.jsonl").add(vote(1, seconds))
    (stored,) = VoteBook(tmp_path / "votes.jsonl").standing().values()
    assert repr(stored) == repr(vote(1, seconds))


def test_a_vote_taken_back_counts_no_more(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes.jsonl")
    assert book.add(vote(1, 1.0))
    assert not book.add(replace(vote(1, 1.0), id="v9")), "one ballot is judged once"
    assert book.add(Retraction("x", "v1", "Ana"))
    assert VoteBook(tmp_path / "votes.jsonl").standing() == {}


def test_a_secret_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes.jsonl")
    assert book.secret("page") == {}
    assert book.secret("page", {"key": "first", "port": 80}) == {"key": "first", "port": 80}
    assert book.secret("page", {"key": "second"}) == {"key": "first", "port": 80}
    assert VoteBook(tmp_path / "votes.jsonl").secret("page") == {"key": "first", "port": 80}
    assert stat.S_IMODE((tmp_path / ".vote" / "page.json").stat().st_mode) == 0o600
