"""A run is of the prompts that its last command asked for; a set with none of its pictures is another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.command import bench

from bench import engine, prompts
from bench.analysis.frames import frames
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.plan import part_of_name
from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from bench.store import Run

RED, BLUE = "a red circle on the left, on white", "a blue square on the right, on white"
GREEN = "a green star above a blue cross, on white"


def asked(folder: Path, *lines: str, file: str = "prompts.txt", results: str = "results", **options: object) -> engine.Result:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    metrics = presets.metrics(["scene", "refusals"])
    plan = engine.plan(
        presets.provider("tiny-oracle"), prompts.load(str(path)), metrics=metrics, seeds=[0], results=folder / results, **options
    )  # type: ignore[arg-type]
    return engine.run(plan, Progress())


def shown(run: Run) -> list[str]:
    return sorted(frames([run])["images"]["prompt"])


def counted(run: Run) -> set[int]:
    """The number of pictures behind the run's figures, those of single pictures and those of the whole run."""
    return set(frames([run])["summary"].set_index("metric")["n"][["scene", "refused", "refusals"]])


def test_two_files_of_one_name_are_two_runs(tmp_path: Path) -> None:
    first, second = asked(tmp_path, RED, file="A/p.txt"), asked(tmp_path, BLUE, file="B/p.txt")
    again = asked(tmp_path, RED, file="A/p.txt")
    assert first.run.name.startswith("tiny-oracle.p.")
    assert second.run.name.startswith("tiny-oracle.p-")
    assert (again.run.name, again.counts.rendered, shown(again.run)) == (first.run.name, 0, [RED])
    assert shown(second.run) == [BLUE]
    grown = asked(tmp_path, BLUE, GREEN, file="B/p.txt")
    assert (grown.run.name, grown.counts.rendered) == (second.run.name, 1), "it grew, and goes on where it was"


def test_an_edited_file_keeps_what_stayed_and_may_be_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, edited = asked(tmp_path, RED, GREEN), asked(tmp_path, RED, BLUE)
    assert (edited.run.name, edited.counts.rendered, edited.counts.kept) == (first.run.name, 1, 1)
    assert shown(edited.run) == sorted([BLUE, RED])
    assert f"{first.run.name}: pictures of prompts that prompts does not have: 1, kept" in capsys.readouterr().err
    back = asked(tmp_path, RED, GREEN)
    assert (back.counts.rendered, shown(back.run)) == (0, sorted([RED, GREEN]))
    assert counted(back.run) == {2}


def test_prompts_that_a_file_no_longer_has_do_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, shorter = asked(tmp_path, RED, GREEN, BLUE), asked(tmp_path, RED)
    assert (shorter.run.name, counted(shorter.run)) == (whole.run.name, {1})
    assert "pictures of prompts that prompts does not have: 2, kept" in capsys.readouterr().err
    again = asked(tmp_path, RED, GREEN, BLUE)
    assert (again.counts.rendered, counted(again.run)) == (0, {3})


def test_fewer_prompts_of_the_same_file_are_the_same_run_whole(tmp_path: Path) -> None:
    asked(tmp_path, RED, GREEN)
    assert shown(asked(tmp_path, RED, GREEN, limit=1).run) == sorted([RED, GREEN])


def test_what_a_file_says_of_a_picture_follows_the_file(tmp_path: Path) -> None:
    sign = f'{RED}, with a white sign reading "BELL"'
    before = asked(tmp_path, "id,text,category", f'a,"{sign.replace(chr(34), chr(34) * 2)}",one', file="p.csv")
    after = asked(tmp_path, "id,text,category,expected_text", f'a,"{sign.replace(chr(34), chr(34) * 2)}",two,BELL', file="p.csv")
    assert (after.run.name, after.counts.rendered) == (before.run.name, 0)
    (record,) = after.run.current()
    assert (record.category, record.expected_text) == ("two", ("BELL",))
    assert {"scene", "refusals"} <= {row.metric for row in after.scores}, "scored anew"


@pytest.mark.parametrize(("one", "two"), [("提示一", "提示二"), ("my set", "my-set"), ("🐱", "🐶"), ("তোমার", "তমর"), ("தமிழ்", "தமழ")])
def test_names_of_any_script_are_runs_of_their_own(one: str, two: str, tmp_path: Path) -> None:
    runs = {asked(tmp_path, RED, file=f"{name}.txt").run.name for name in (one, two)}
    labelled = {asked(tmp_path, RED, label=name).run.name for name in (one, two)}
    assert (len(runs), len(labelled)) == (2, 2)


def test_a_long_name_fits_a_file_system() -> None:
    assert part_of_name("x" * 100) == "x" * 100
    one, two = (part_of_name("提" * 99 + end) for end in "一二")
    assert one != two
    assert max(len(one.encode()), len(two.encode())) <= 100


@pytest.mark.slow
def test_one_category_needs_no_brackets_and_a_label_may_look_like_a_number(tmp_path: Path) -> None:
    done = bench(["run", "model=tiny-oracle", "seeds=[0]", "metric=[]", "categories=shape", "label=1e5"], tmp_path)
    assert done.returncode == 0, done.stderr
    run = Store(tmp_path / "results").find("1e5")
    assert {record.category for record in run.current()} == {"shape"}
