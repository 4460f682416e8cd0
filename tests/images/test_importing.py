"""Pictures from elsewhere: which prompt each is of, what is refused, and the run they become."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.elsewhere import elsewhere

from bench import prompts
from bench.engine.importing import write
from bench.errors import BenchError, ConfigError
from bench.images import decoding
from bench.images.importing import opened, plan_import
from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return elsewhere(tmp_path / "mj")


def test_files_are_matched_by_name_seed_and_words(folder: Path) -> None:
    held = prompts.load("tiny")
    (folder / "shape-01.png").rename(folder / "shape-01_s4.png")
    words = held.prompts[1].text.replace(" ", "_").replace('"', "").replace(",", "")
    (folder / "shape-02.png").rename(folder / f"user_{words}_1a2b3c4d-0.png")
    plan = plan_import(folder, held)
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
    plan = plan_import(manifest, held)
    assert [(m.prompt.id, m.seed) for m in plan.matched] == [("shape-05", 2), ("shape-01", 0)]
    manifest.write_text("file,prompt_id\nholiday.jpg,shape-99\n")
    with pytest.raises(BenchError, match="unknown prompt id 'shape-99'; did you mean"):
        plan_import(manifest, held)


def test_two_files_for_one_prompt_and_broken_pictures_are_refused(folder: Path, tmp_path: Path) -> None:
    held = prompts.load("tiny")
    (folder / "shape-01.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(BenchError, match="both claim prompt 'shape-01'"):
        plan_import(folder, held)
    (folder / "shape-01.png").unlink()
    with pytest.raises(BenchError, match="not a readable picture"):
        write(plan_import(folder, held), held, Store(tmp_path / "r").run("x", create=True), name="x", provenance={})


def test_what_a_picture_says_about_itself_is_recorded_and_its_bytes_are_kept(folder: Path, tmp_path: Path) -> None:
    held, run = prompts.load("tiny"), Store(tmp_path / "r").run("x", create=True)
    tags, info = Image.Exif(), PngInfo()
    tags[0x0131], tags[0x8825] = "Generator 7", {1: "N", 2: (51.0, 30.0, 12.5)}
    info.add_text("parameters", "a fox, Steps: 4")
    with Image.open(folder / "shape-01.png") as image:
        image.save(folder / "shape-01.png", exif=tags, pnginfo=info)
    write(plan_import(folder, held), held, run, name="x", provenance={})
    by_id = {r.prompt_id: r for r in run.current()}
    record = by_id["shape-01"]
    assert record.detail["metadata"] == {"exif": {"Software": "Generator 7"}, "gps": "left out", "text": {"parameters": "a fox, Steps: 4"}}
    assert run.image_path(record).read_bytes() == (folder / "shape-01.png").read_bytes()
    assert "metadata" not in by_id["shape-02"].detail


@pytest.mark.parametrize("fault", ["cut", "gif", "bomb", "large", "animated"])
def test_files_that_are_no_whole_plain_picture_are_refused_by_name(folder: Path, tmp_path: Path, fault: str) -> None:
    file, held = folder / "shape-01.png", prompts.load("tiny")
    with Image.open(file) as image:
        image.load()
    if fault == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif fault == "gif":
        image.save(file, "GIF")
    elif fault == "bomb":
        header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
        file.write_bytes(file.read_bytes()[:12] + header + struct.pack(">I", zlib.crc32(header)) + file.read_bytes()[33:])
    elif fault == "large":
        os.truncate(file, decoding.MAX_BYTES + 1)
    else:
        image.save(file, save_all=True, append_images=[image.rotate(90)])
    told = {"cut": "cut off", "gif": "a GIF", "bomb": "20000 x 20000", "large": "larger than 64 MiB", "animated": "animated"}[fault]
    with pytest.raises(ConfigError, match=rf"shape-01\.png is .*{told}"):
        write(plan_import(folder, held), held, Store(tmp_path / "r").run("x", create=True), name="x", provenance={})


def test_similar_words_match_names_that_services_cut_and_number(folder: Path, tmp_path: Path) -> None:
    held = prompts.load("article")
    path = tmp_path / "grid"
    path.mkdir()
    picture = (folder / "shape-01.png").read_bytes()
    first, second = held.prompts[0], held.prompts[-1]
    for i in range(2):
        cut = "_".join(first.text.replace(",", "").split()[1:14])
        (path / f"someone_{cut}_0f3c2b1a-aaaa-bbbb-cccc-0123456789ab_{i}.png").write_bytes(picture)
    (path / f"{second.id}.png").write_bytes(picture)
    (path / "a_holiday_at_the_sea_with_a_dog.png").write_bytes(picture)
    plan = plan_import(path, held, "words")
    assert sorted((m.prompt.id, m.seed, m.how.split(",")[0]) for m in plan.matched) == sorted(
        [(first.id, 0, "similar words"), (first.id, 1, "similar words"), (second.id, 0, "file name")]
    )
    assert [f.name for f in plan.unmatched] == ["a_holiday_at_the_sea_with_a_dog.png"]


def test_order_gives_each_prompt_as_many_pictures_and_sorts_numbers_as_people_do(folder: Path, tmp_path: Path) -> None:
    held = prompts.load("article")
    path = tmp_path / "numbered"
    path.mkdir()
    for i in range(2 * len(held.prompts)):
        (path / f"image {i + 1}.png").write_bytes((folder / "shape-01.png").read_bytes())
    plan = plan_import(path, held, "order")
    assert [(m.file.stem, m.prompt.id, m.seed) for m in plan.matched[:3]] == [
        ("image 1", held.prompts[0].id, 0), ("image 2", held.prompts[0].id, 1), ("image 3", held.prompts[1].id, 0),
    ]  # fmt: skip
    assert plan.matched[-1].file.stem == f"image {2 * len(held.prompts)}"
    (path / "image 1.png").unlink()
    with pytest.raises(BenchError, match="needs as many, or a multiple"):
        plan_import(path, held, "order")
    with pytest.raises(BenchError, match="unknown way to match 'ordre'; did you mean 'order'"):
        plan_import(path, held, "ordre")


def test_a_zip_is_read_and_one_that_leads_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    held, packed = prompts.load("tiny"), tmp_path / "pictures.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.glob("shape-*.png")):
            archive.write(file, f"export/{file.name}")
        archive.writestr("export/readme.txt", "not a picture")
    with opened(packed) as source:
        assert len(plan_import(source, held).matched) == len(list(folder.glob("shape-*.png")))
    assert not source.exists()
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("../../out.png", b"x")
    with pytest.raises(BenchError, match="leads out of the folder"), opened(packed):
        pass
    packed.write_bytes(b"no zip")
    with pytest.raises(BenchError, match="cannot be unpacked"), opened(packed):
        pass


def test_a_declared_price_is_each_pictures_cost(folder: Path, tmp_path: Path) -> None:
    held, run = prompts.load("tiny"), Store(tmp_path / "r").run("x", create=True)
    write(plan_import(folder, held), held, run, name="x", provenance={}, price=0.04)
    assert {r.cost_usd for r in run.current()} == {0.04}


@pytest.mark.parametrize("name", ["notes.txt", "missing.csv"])
def test_what_is_neither_folder_nor_manifest_says_so(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("file,prompt_id\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=f"{name}' is neither a folder of pictures nor a manifest"):
        plan_import(tmp_path / name, prompts.load("tiny"))
