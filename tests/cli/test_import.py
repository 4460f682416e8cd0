"""``import``: pictures from elsewhere become a run."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from support.command import bench
from support.elsewhere import elsewhere

from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return elsewhere(tmp_path / "mj")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--price", "-1", "--price -1.0 must be"),
        ("--price", "nan", "--price nan must be"),
        ("--name", "a/b", "--name 'a/b' must be"),
        ("--name", "..", "--name '..' must be"),
    ],
)
def test_a_price_or_a_name_that_is_none_is_refused(folder: Path, tmp_path: Path, option: str, value: str, message: str) -> None:
    refused = bench(["import", str(folder), "--name", "x", "--prompts", "tiny", "--yes", option, value], tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ünï", "midjourney-v6.1_x", "x-"])
def test_a_name_may_have_letters_of_any_language(folder: Path, tmp_path: Path, name: str) -> None:
    for file in sorted(folder.glob("shape-*.png"))[1:]:
        file.unlink()
    imported = bench(["import", str(folder), "--name", name, "--prompts", "tiny", "--yes"], tmp_path)
    assert imported.returncode == 0, imported.stderr
    assert Store(tmp_path / "results").runs() == [f"{name}.tiny.imported"]


@pytest.mark.slow
def test_what_is_left_out_is_told_and_names_that_are_not_utf_8_do_no_harm(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / os.fsdecode(b"r\xe9s")
    try:
        (folder / "holiday.jpg").rename(folder / os.fsdecode(b"caf\xe9_shape-01.jpg"))
        results.mkdir()
    except OSError:
        pytest.skip("file names are UTF-8 here")
    for file in sorted(folder.glob("shape-*.png"))[2:]:
        file.unlink()
    (folder / "shape-01.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "notes.txt").write_text("x")
    (tmp_path / "p.csv").write_text("id,text\nshape-00,a\nshape-01,b\nshape-02,c\n")
    options = ["--name", "mj", "--prompts", "p.csv", "--match", "order", "--yes", "--results", str(results)]
    done = bench(["import", str(folder), *options], tmp_path)
    assert done.returncode == 0, done.stderr
    for line in ("left out: shape-01.png: the file is cut off", "not read, of unknown kind: notes.txt", "2 pictures for 2 of 3 prompts"):
        assert line in done.stderr
    run = Store(results).run("mj.p.imported")
    assert {r.prompt_id: r.detail["file"] for r in run.current()} == {"shape-00": r"caf\xe9_shape-01.jpg", "shape-02": "shape-02.png"}
    for arguments in (["report", str(run.path)], ["score", str(run.path), "metric=[clip_tiny]"]):
        again = bench(arguments, tmp_path)
        assert again.returncode == 0, again.stderr
    shutil.copytree(run.path, results / "copy")
    gate = ["gate", str(run.path), str(results / "copy"), "--max-drop", "clip_tiny=0.1"]
    assert "allowed" in bench(gate, tmp_path).stdout
    (results / "copy" / "scores.parquet").write_bytes(b"x")
    told = bench(gate, tmp_path)
    assert r"scores.parquet is damaged" in told.stderr
    assert "delete that file and score the run again" in told.stderr
    assert "bench rm" not in told.stderr


@pytest.mark.slow
def test_import_and_compare_end_to_end(folder: Path, tmp_path: Path) -> None:
    dry = bench(["import", str(folder), "--name", "midjourney-v6", "--prompts", "tiny", "--dry-run"], tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert "10 pictures for 10 of 32 prompts (31 % coverage)" in dry.stderr
    assert not (tmp_path / "results").exists()
    for file in sorted(folder.glob("shape-*.png"))[3:]:
        file.unlink()
    done = bench(["import", str(folder), "--name", "midjourney-v6", "--prompts", "tiny", "--source", "test", "--yes"], tmp_path)
    assert done.returncode == 0, done.stderr
    run = Store(tmp_path / "results").run("midjourney-v6.tiny.imported")
    assert run.info()["provenance"]["source"] == "test"
    record = next(r for r in run.current() if r.prompt_id == "shape-03")
    assert run.image_path(record).read_bytes() == (folder / "shape-03.png").read_bytes()
    timed = [s for s in run.scores() if s.metric == "latency.p50"]
    assert [(s.status, s.reason) for s in timed] == [("not_applicable", "imported pictures carry no timing")]
    bench(["run", "model=tiny-oracle", "limit=3", "metric=[ocr,latency]", "seeds=[0]"], tmp_path)
    runs = Store(tmp_path / "results").runs()
    compared = bench(["compare", *runs], tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert list((tmp_path / "results" / "comparisons").glob("*/index.html"))
