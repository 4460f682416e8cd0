"""Writing files: whole or not at all, the first or the last writer wins, and nothing is left behind."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

import pytest

from bench.core.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_writer_wins_and_missing_folders_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.bin"
    write_atomically(file, b"one")
    write_atomically(file, lambda handle: handle.write(b"two"), flush=False)
    assert file.read_bytes() == b"two"
    assert list(file.parent.iterdir()) == [file]


def test_the_first_writer_wins_where_nothing_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_atomically(file, b"first", mode=0o600, replace=False)
    write_atomically(file, b"second", mode=0o600, replace=False)
    assert file.read_bytes() == b"first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    write_atomically(file, b"before")

    def fail(handle: BinaryIO) -> None:
        handle.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, fail)
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_the_bytes_are_on_disk_before_the_rename_unless_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda source, target: (events.append("rename"), rename(source, target)))
    write_atomically(tmp_path / "a", b"x")
    write_atomically(tmp_path / "b", b"x", flush=False)
    assert events == ["fsync", "rename", "rename"]
