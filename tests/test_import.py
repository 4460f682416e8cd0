"""Pictures from elsewhere become a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_cli import bench

from bench import images, prompts
from bench.errors import BenchError
from bench.store import Store
from bench.tiny import scenes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures named after prompt ids, one stranger."""
    path = tmp_path / "mj"
    path.mkdir()
    for prompt in prompts.load("tiny").prompts[:10]:
        scenes.draw(scenes.parse(prompt.text), 3).save(path / f"{prompt.id}.png")
    scenes.draw(scenes.parse("a red circle on the left, on white"), 3).save(path / "holiday.jpg")
    return path


def test_files_are_matched_by_name_seed_and_words(folder: Path) -> None:
    held = prompts.load("tiny")
    (folder / "shape-01.png").rename(folder / "shape-01_s4.png")
    words = held.prompts[1].text.replace(" ", "_").replace('"', "").replace(",", "")
    (folder / "shape-02.png").rename(folder / f"user_{words}_1a2b3c4d-0.png")
    plan = images.plan(folder, held)
    found = {m.prompt.id: (m.seed, m.how) for m in plan.matched}
    assert found["shape-01"] == (4, "file name and seed")
    assert found["shape-02"] == (0, "words of the prompt in the file name")
    assert found["shape-03"] == (0, "file name")
    assert [f.name for f in plan.unmatched] == ["holiday.jpg"]
    assert len(plan.uncovered) == len(held.prompts) - 10


def test_a_manifest_names_files_and_prompts(folder: Path) -> None:
    held = prompts.load("tiny")
    manifest = folder / "manifest.csv"
    manifest.write_text(
        f'file,prompt_id,prompt,seed\nholiday.jpg,shape-05,,2\nshape-01.png,,"{held.prompts[0].text.replace(chr(34), chr(34) * 2)}",\n'
    )
    plan = images.plan(manifest, held)
    assert [(m.prompt.id, m.seed) for m in plan.matched] == [("shape-05", 2), ("shape-01", 0)]
    manifest.write_text("file,prompt_id\nholiday.jpg,shape-99\n")
    with pytest.raises(BenchError, match="unknown prompt id 'shape-99'; did you mean"):
        images.plan(manifest, held)


def test_two_files_for_one_prompt_and_broken_pictures_are_refused(folder: Path, tmp_path: Path) -> None:
    held = prompts.load("tiny")
    (folder / "shape-01.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(BenchError, match="both claim prompt 'shape-01'"):
        images.plan(folder, held)
    (folder / "shape-01.png").unlink()
    with pytest.raises(BenchError, match="not a readable picture"):
        images.write(images.plan(folder, held), held, Store(tmp_path / "r").run("x", create=True), name="x", provenance={})


def test_import_and_compare_end_to_end(folder: Path, tmp_path: Path) -> None:
    dry = bench(["import", str(folder), "--name", "midjourney-v6", "--prompts", "tiny", "--dry-run"], tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert "10 pictures for 10 of 32 prompts (31 % coverage)" in dry.stderr
    assert not (tmp_path / "results").exists()
    done = bench(["import", str(folder), "--name", "midjourney-v6", "--prompts", "tiny", "--source", "test", "--yes"], tmp_path)
    assert done.returncode == 0, done.stderr
    run = Store(tmp_path / "results").run("midjourney-v6.tiny.imported")
    assert run.info()["provenance"]["source"] == "test"
    record = next(r for r in run.current() if r.prompt_id == "shape-03")
    assert run.image_path(record).read_bytes() == (folder / "shape-03.png").read_bytes()
    timed = [s for s in run.scores() if s.metric == "latency.p50"]
    assert [(s.status, s.reason) for s in timed] == [("not_applicable", "imported pictures carry no timing")]
    bench(["run", "model=tiny-oracle", "limit=10", "metric=[ocr,latency]", "seeds=[0]"], tmp_path)
    runs = Store(tmp_path / "results").runs()
    compared = bench(["compare", *runs], tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert list((tmp_path / "results" / "comparisons").glob("*/index.html"))
