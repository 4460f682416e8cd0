"""Every command takes a run's folder, name or label."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support.runs import render_oracle

from bench.store import Store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Here = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]

_LINE = "runs have the label 'same'; using the newest, "


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs with the label "same", of which "newer" has the newest record, and one called "other"."""
    folder = tmp_path / "results"
    for name, label in (("older", "same"), ("newer", "same"), ("third", "other")):
        run = render_oracle(folder, limit=1, label=name, seeds=(0,))
        run.update_info(label=label)
    return folder


@pytest.mark.slow
def test_every_command_finds_a_run_by_its_label_and_says_which(results: Path, here: Here, caplog: pytest.LogCaptureFixture) -> None:
    for words in (
        ["score", "same", "metric=[latency]"], ["compare", "same", "other"], ["report", "same"], ["vote", "same", "other", "--summary"],
        ["gate", "same", "other", "--max-drop", "scene=1"],
    ):  # fmt: skip
        caplog.clear()
        with caplog.at_level("WARNING", "bench.store.results"):
            done = here(words)
        assert "unknown run" not in done.stderr
        (line,) = [message for message in caplog.messages if _LINE in message]
        assert f"{_LINE}newer." in line
        assert "older." in line.partition("for another:")[2]
    assert len(list((results / "comparisons").iterdir())) == 1


def test_rm_refuses_a_label_of_several_runs_and_lists_them(results: Path, here: Here) -> None:
    names = Store(results).runs()
    done = here(["rm", "same", "--yes"])
    assert done.returncode == 2
    assert "2 runs have the label 'same'; give the full name of the one to delete:" in done.stderr
    assert all(name in done.stderr for name in names if not name.startswith("third"))
    assert Store(results).runs() == names
    assert here(["rm", "other", "--yes"]).returncode == 0
    assert here(["rm", str(results / next(name for name in names if name.startswith("older"))), "--yes"]).returncode == 0
    assert [name.partition(".")[0] for name in Store(results).runs()] == ["newer"]
    assert here(["rm", "same", "--yes"]).returncode == 0


def test_a_damaged_run_can_be_deleted(results: Path, here: Here) -> None:
    name = Store(results).runs()[0]
    (results / name / "run.json").write_text("{")
    assert here(["rm", name, "--yes"]).returncode == 0


def test_rm_deletes_what_a_run_consists_of_and_nothing_else(results: Path, tmp_path: Path, here: Here) -> None:
    first, second, third = (results / name for name in Store(results).runs())
    (first / "thesis.txt").write_text("mine")
    (first / "drafts").mkdir()
    (first / "draft.txt.part").write_text("mine")
    (first / "notes.jsonl").write_text("a line without an end")
    (first / "images" / "holiday.jpg").write_bytes(b"mine")
    (first / "images" / "older").mkdir()
    (first / "images" / "older" / "shape-01_s0.png").write_bytes(b"mine")
    for name in ("thesis.docx", "table.csv"):
        (first / "report").mkdir(exist_ok=True)
        (first / "report" / name).write_text("mine")
    assert here(["report", first.name]).returncode == 2, "a report takes no folder with other files"
    (first / "report" / "images.parquet").write_text("")
    assert here(["report", first.name]).returncode == 0
    others = {"images/holiday.jpg", "images/older/shape-01_s0.png", "report/table.csv", "report/thesis.docx"}
    others |= {"thesis.txt", "drafts/", "draft.txt.part", "notes.jsonl"}
    done = here(["rm", first.name, "--yes"])
    assert done.returncode == 0
    assert f"deleted the run in {first}; kept what is not its own: {', '.join(sorted(others))}" in done.stderr
    left = {f"{path.relative_to(first)}" for path in first.rglob("*") if path.is_file()}
    assert left == others - {"drafts/"}
    assert (first / "notes.jsonl").read_text() == "a line without an end"

    link = tmp_path / "link"
    link.symlink_to(second)
    done = here(["rm", "link", "--yes"])
    assert done.returncode == 2
    assert f"{link} is a link; delete the run it leads to with: python -m bench rm {second}" in done.stderr
    assert second.name in here(["rm", second.name]).stderr
    pictures = tmp_path / "elsewhere"
    shutil.move(second / "images", pictures)
    (second / "images").symlink_to(pictures)
    assert f"deleted {second}" in here(["rm", str(second), "--yes"]).stderr
    assert not second.exists()
    assert list(pictures.iterdir())

    for content in ("{}", "[]", "5", "{"):
        folder = tmp_path / "somebody"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(content)
        done = here(["rm", "somebody", "--yes"])
        assert done.returncode == 2
        assert f"{folder} is no run" in done.stderr
        assert {path.name for path in folder.iterdir()} == {"images", "run.json"}
    assert third.exists()


def test_a_vote_needs_runs_with_names_of_their_own(results: Path, tmp_path: Path, here: Here) -> None:
    name = Store(results).runs()[0]
    shutil.copytree(results / name, tmp_path / "copy" / name)
    done = here(["vote", name, str(tmp_path / "copy" / name), "--summary"])
    assert done.returncode == 2
    assert f"two of these folders are called {name}" in done.stderr
    assert "is given twice" in here(["vote", name, name, "--summary"]).stderr


@pytest.mark.parametrize("text", ['"schema_version"', '["schema_version", "model"]', '{"schema_version": 1, "name": "of another program"}'])
def test_a_run_json_of_another_program_makes_no_run(text: str, tmp_path: Path, here: Here) -> None:
    (tmp_path / "work" / "images").mkdir(parents=True)
    (tmp_path / "work" / "run.json").write_text(text)
    done = here(["rm", str(tmp_path / "work"), "--yes"])
    assert done.returncode == 2
    assert "is no run" in done.stderr
    assert (tmp_path / "work" / "run.json").exists()


def test_score_takes_the_folder_of_results_either_way(results: Path, tmp_path: Path, here: Here) -> None:
    results.rename(tmp_path / "kept")
    for words in (["--results", "kept"], ["results=kept"]):
        assert here(["score", "other", "metric=[scene]", *words]).returncode == 0


def test_a_report_of_more_than_was_asked_says_so(here: Here) -> None:
    words = ["run", "model=tiny-oracle", "metric=[]", "seeds=[0]"]
    assert "asked for" not in here([*words, "limit=2"]).stderr
    assert "this command asked for 1 of the run's 2 pictures; the report is of all 2" in here([*words, "limit=1"]).stderr


def test_threads_are_a_condition_of_every_run(results: Path) -> None:
    (run, *_) = Store(results).runs()
    assert Store(results).run(run).info()["session"]["threads"] >= 1
