"""The file of votes: what comes back is what was written, and a secret is the first writer's."""

from __future__ import annotations

import math
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from support.paths import ROOT

from bench.store import Retraction, Vote, VoteBook


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
    (file,) = tmp_path.glob(".vote-*/page.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_each_user_has_a_secret_of_their_own(tmp_path: Path) -> None:
    keys = {}
    for user in (1001, 1002, 1001):
        with mock.patch("os.getuid", lambda user=user: user):
            keys.setdefault(user, VoteBook(tmp_path / "votes.jsonl").secret("page", {"key": f"of {user}"}))
    assert keys == {1001: {"key": "of 1001"}, 1002: {"key": "of 1002"}}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users of a group")
def test_two_users_of_a_group_vote_in_one_folder() -> None:
    code = (
        "import os, sys, pathlib; from bench.store.votes import Vote, VoteBook; user = int(sys.argv[1])\n"
        "os.setgroups([4000]); os.setgid(4000); os.setuid(user); os.umask(0o002)\n"
        "book = VoteBook(pathlib.Path('votes.jsonl')); print(book.secret('page', {'key': str(user)}))\n"
        "book.add(Vote(str(user), 'b', 's', str(user), 'p', 'x', 'y', '', '', '', '', 'a', 'a', 1.0, ''))"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are for one user
        os.chown(folder, 4001, 4000)
        Path(folder).chmod(0o2775)
        for user in ("4001", "4002"):
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
            done = subprocess.run(
                [sys.executable, "-c", code, user], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.stdout == f"{{'key': '{user}'}}\n", done.stderr
        assert len(VoteBook(Path(folder) / "votes.jsonl").standing()) == 2
