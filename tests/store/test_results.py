"""Runs by folder, full name or label, in that order."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from support.runs import render_oracle

import bench
from bench.errors import ConfigError
from bench.store import Store, schema
from bench.store.results import labelled

if TYPE_CHECKING:
    from pathlib import Path


def add_run(results: Path, name: str, label: str, *created: str) -> None:
    """A run with a record for each time."""
    source = render_oracle(results / "source", limit=1, seeds=(0,))
    Store(results).run(name, create=True).update_info(label=label)
    (record,) = source.records()
    rows = [{**schema.record_to_json(record), "prompt_id": f"p{i}", "created": when} for i, when in enumerate(created)]
    (results / name / "journal.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_folder_comes_before_a_name_and_a_name_before_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "results")
    for name, label in (("a", "b"), ("b", "a"), ("c", "d")):
        store.run(name, create=True).update_info(label=label)
    assert [store.find(name).name for name in ("a", "b", "c", "d")] == ["a", "b", "c", "c"]
    Store(tmp_path).run("a", create=True).update_info(label="elsewhere")
    monkeypatch.chdir(tmp_path)
    assert store.find("a").path.resolve() == tmp_path / "a"
    assert store.find(str(tmp_path / "results" / "b")).name == "b"
    assert store.run("a", create=True).path == tmp_path / "results" / "a"


def test_a_label_of_several_runs_means_the_newest_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("bench.store.results"), "disabled", False)  # by a test that ran Hydra in this process
    caplog.set_level("WARNING", "bench.store.results")
    add_run(tmp_path, "one.x", "one", "2026-11-03T10:00:00.000+00:00", "2026-11-01T10:00:00.000+00:00")
    add_run(tmp_path, "one.y", "one", "2026-11-02T10:00:00.000+00:00")
    add_run(tmp_path, "one.z", "one")
    assert bench.load("one", tmp_path).name == "one.x"
    assert caplog.messages == ["3 runs have the label 'one'; using the newest, one.x. Give the full name for another: one.y, one.z"]
    assert [run.name for run in Store(tmp_path).matching("one")] == ["one.x", "one.y", "one.z"]
    caplog.clear()
    assert bench.load("one.y", tmp_path).name == "one.y"
    assert not caplog.messages


def test_a_damaged_run_hides_no_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.run("sound", create=True).update_info(label="good")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    assert store.find("good").name == "sound"
    assert store.find("broken").name == "broken"


def test_an_unknown_run_names_the_nearest_label_or_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown run 'x': there is no run in .*; make one with: python -m bench run"):
        Store(tmp_path).find("x")
    Store(tmp_path).run("tiny-dev.tiny.28steps", create=True).update_info(label="tiny-dev")
    with pytest.raises(ConfigError, match="unknown run 'tiny-dve'; did you mean 'tiny-dev'"):
        Store(tmp_path).find("tiny-dve")


def test_tables_call_a_run_by_label_then_name_then_path(tmp_path: Path) -> None:
    places = {"a/x": "same", "a/y": "same", "b/x": "same", "b/z": "own"}
    for place, label in places.items():
        folder, name = place.split("/")
        Store(tmp_path / folder).run(name, create=True).update_info(label=label)
    runs = [Store(tmp_path).find(str(tmp_path / place)) for place in places]
    assert list(labelled(runs)) == ["a/x", "y", "b/x", "own"]
    with pytest.raises(ConfigError, match="run y is given twice; compare needs different runs"):
        labelled([runs[1], runs[1]])
