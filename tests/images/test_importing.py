"""Pictures from elsewhere: which prompt each is of, what is refused, and the run they become."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.elsewhere import elsewhere

from bench import prompts
from bench.engine.importing import write
from bench.errors import BenchError, ConfigError, PromptError
from bench.images import decoding
from bench.images.importing import opened, plan_import
from bench.store import Store
from bench.types import ScoreRow

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


def test_two_files_for_one_prompt_are_refused_unless_one_cannot_be_read(folder: Path) -> None:
    held = prompts.load("tiny")
    (folder / "shape-01.jpg").write_bytes((folder / "holiday.jpg").read_bytes())
    with pytest.raises(BenchError, match="both claim prompt 'shape-01'"):
        plan_import(folder, held)
    (folder / "shape-01.jpg").write_bytes(b"\xff\xd8\xff broken")
    assert [m.file.name for m in plan_import(folder, held).matched if m.prompt.id == "shape-01"] == ["shape-01.png"]


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


@pytest.mark.parametrize("fault", ["cut", "text", "bomb", "large", "animated", "heic"])
def test_a_file_that_is_no_whole_still_picture_is_left_out_with_its_reason_and_the_others_come(
    folder: Path, tmp_path: Path, fault: str
) -> None:
    file, held = folder / "shape-01.png", prompts.load("tiny")
    with Image.open(file) as image:
        image.load()
    if fault == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif fault == "text":
        file.write_text("<!doctype html>")
    elif fault == "bomb":
        header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
        file.write_bytes(file.read_bytes()[:12] + header + struct.pack(">I", zlib.crc32(header)) + file.read_bytes()[33:])
    elif fault == "large":
        os.truncate(file, decoding.MAX_BYTES + 1)
    elif fault == "heic":
        file.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
        file = file.rename(file.with_suffix(".heic"))
    else:
        image.save(file, save_all=True, append_images=[image.rotate(90)])
    told = {
        "cut": "cut off",
        "text": "HTML",
        "bomb": "20000 x 20000",
        "large": "larger than 64 MiB",
        "animated": "animated",
        "heic": "HEIF",
    }
    plan = plan_import(folder, held)
    assert list(plan.left_out) == [file]
    assert told[fault] in plan.left_out[file]
    assert "shape-01" in {p.id for p in plan.uncovered}
    assert write(plan, held, Store(tmp_path / "r").run("x", create=True), name="x", provenance={}) == 9
    for other in folder.glob("shape-*.png"):
        if other != file:
            other.unlink()
    with pytest.raises(ConfigError, match=rf"no picture can be read: {file.name}: the file .*{told[fault]}"):
        plan_import(folder, held)


def test_pictures_of_all_kinds_are_imported_as_they_are_and_their_size_is_as_seen(folder: Path, tmp_path: Path) -> None:
    held, run, tags = prompts.load("tiny"), Store(tmp_path / "r").run("x", create=True), Image.Exif()
    tags[0x0112] = 6
    with Image.open(folder / "shape-01.png") as image:
        wide = image.resize((96, 64))
    for i, ending in enumerate(("avif", "gif", "bmp", "tiff", "JPG"), 1):
        (folder / f"shape-0{i}.png").unlink()
        wide.save(folder / f"shape-0{i}.{ending}", **({"exif": tags} if ending == "JPG" else {}))
    plan = plan_import(folder, held)
    assert not plan.left_out
    assert write(plan, held, run, name="x", provenance={}) == 10
    stored = {r.prompt_id: r for r in run.current()}
    endings = [run.image_path(stored[f"shape-0{i}"]).suffix for i in range(1, 6)]
    assert endings == [".avif", ".gif", ".bmp", ".tiff", ".jpg"]
    assert run.image_path(stored["shape-04"]).read_bytes() == (folder / "shape-04.tiff").read_bytes()
    assert [(r.request.width, r.request.height) for r in (stored["shape-04"], stored["shape-05"])] == [(96, 64), (64, 96)]


def test_a_picture_that_was_replaced_is_imported_again_and_one_that_changes_meanwhile_is_refused(folder: Path, tmp_path: Path) -> None:
    held, run = prompts.load("tiny"), Store(tmp_path / "r").run("x", create=True)
    write(plan_import(folder, held), held, run, name="x", provenance={})
    key = next(r.key for r in run.current() if r.prompt_id == "shape-01")
    row = ScoreRow("scene", "f", 1.0, "ok", request_id=key[1], prompt_id=key[0])
    run.save_scores([row, replace(row, prompt_id="shape-02")])
    Image.new("RGB", (128, 128), "red").save(folder / "shape-01.png")
    plan = plan_import(folder, held)
    assert write(plan, held, run, name="x", provenance={}) == 1
    assert run.image_path(next(r for r in run.current() if r.key == key)).read_bytes() == (folder / "shape-01.png").read_bytes()
    assert [s.prompt_id for s in run.scores()] == ["shape-02"]
    (folder / "shape-01.png").write_bytes((folder / "shape-02.png").read_bytes())
    with pytest.raises(ConfigError, match=r"shape-01\.png has changed since it was read"):
        write(plan, held, Store(tmp_path / "r").run("y", create=True), name="y", provenance={})


def test_what_systems_leave_in_folders_is_no_picture_and_other_kinds_are_named(folder: Path) -> None:
    held = prompts.load("tiny")
    for name in ("._shape-01.png", "__MACOSX/shape-02_s1.png", ".DS_Store", "Thumbs.db", "notes.txt", "b.pdf"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\0\5\x16\7")
    plan = plan_import(folder, held)
    assert (len(plan.matched), plan.left_out, [f.name for f in plan.unknown]) == (10, {}, ["b.pdf", "notes.txt"])
    (folder / "holiday.jpg").unlink()
    few = replace(held, prompts=held.prompts[:10])
    assert [m.prompt.id for m in plan_import(folder, few, "order").matched] == [p.id for p in few.prompts]
    (folder / "shape-03.png").write_bytes(b"broken")
    kept = [m.prompt.id for m in plan_import(folder, few, "order").matched]
    assert kept == [p.id for p in few.prompts if p.id != "shape-03"], "a broken file holds its place in the order"
    Image.new("RGB", (8, 8)).save(folder / "²5.png")
    with pytest.raises(ConfigError, match="11 pictures for 10 prompts"):
        plan_import(folder, few, "order")


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_manifest_of_windows_or_pandas_is_read(folder: Path, separator: str) -> None:
    held, manifest = prompts.load("tiny"), folder.parent / "manifest.csv"
    manifest.write_bytes(
        f"file,prompt_id,seed\r\nmj{separator}shape-01.png,shape-01,0.0\r\nmj{separator}shape-02.png,shape-02,3.0\r\n".encode()
    )
    assert [(m.prompt.id, m.seed) for m in plan_import(manifest, held).matched] == [("shape-01", 0), ("shape-02", 3)]
    lines = manifest.with_suffix(".jsonl")
    words = held.prompts[0].text
    lines.write_text(json.dumps({"file": "mj/shape-01.png", "prompt": words, "seed": 2.0, "note": "a\u2028b"}, ensure_ascii=False))
    assert [(m.prompt.id, m.seed) for m in plan_import(lines, held).matched] == [("shape-01", 2)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,prompt_id,seed\nshape-01.png,shape-01,18446744073709551615\n", r"\.csv:2: seed 18446744073709551615 is larger than"),
        (f"file,prompt_id,seed\nshape-01.png,shape-01,{'9' * 5000}\n", r"\.csv:2: seed 9+ is larger than"),
        ("file,prompt_id,seed\nshape-01.png,shape-01,²\n", r"\.csv:2: seed '²' must be a whole number"),
        ("file,prompt_id,seed\nshape-01.png,shape-01,0.5\n", r"\.csv:2: seed '0\.5' must be a whole number"),
        ("file,prompt_id,seed\nshape-01.png,shape-01,-1\n", r"\.csv:2: seed '-1' must be a whole number"),
        ('{"file": "shape-01.png", "prompt_id": "shape-01", "seed": true}\n', r"\.jsonl:1: seed True must be a whole number"),
        ("[1]\n", r"\.jsonl:1: a line must be a JSON object, not list"),
        ('\n{"file": \n', r"\.jsonl:2: not JSON"),
        (f"file,prompt_id\n{'x' * 2_000}.png,shape-01\n", r"\.csv:2: there is no file 'x{200}' beside the manifest"),
        (f"file,prompt_id\n{'x' * 200_000},shape-01\n", r"\.csv:2: there is no file 'x{200}' beside the manifest"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_kept_is_told_with_its_line(folder: Path, text: str, told: str) -> None:
    manifest = folder / f"manifest.{'csv' if text.startswith('file') else 'jsonl'}"
    manifest.write_text(text, encoding="utf-8")
    with pytest.raises(PromptError, match=told):
        plan_import(manifest, prompts.load("tiny"))
    manifest.write_bytes(b"file,prompt_id\nshape-01.png,caf\xe9\n")
    with pytest.raises(PromptError, match="not UTF-8"):
        plan_import(manifest, prompts.load("tiny"))


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


def test_names_in_a_zip_are_utf_8_whether_it_says_so_or_not(tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a狐.png", b"x")
    flagged = packed.read_bytes()
    for data, names in [
        (flagged, ["a狐.png"]),
        (flagged.replace(b"\x14\0\0\x08", b"\x14\0\0\0"), ["a狐.png"]),
        (flagged.replace("狐".encode(), b"\xe9\xe9\xe9"), None),
    ]:
        packed.write_bytes(data)
        if names is None:
            with pytest.raises(ConfigError, match="cannot be unpacked"), opened(packed):
                pass
        else:
            with opened(packed) as source:
                assert [f.name for f in source.iterdir()] == names


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
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.glob("shape-*.png")):
            entry = zipfile.ZipInfo("x")
            entry.filename = f"export\\{file.name}"
            archive.writestr(entry, file.read_bytes())
            archive.writestr(f"__MACOSX/export/._{file.name}", b"\0\5\x16\7")
        archive.writestr("export/notes.txt", "not a picture")
    with opened(packed) as source:
        plan = plan_import(source, replace(held, prompts=held.prompts[:10]), "order")
        assert [m.file.stem for m in plan.matched] == [m.prompt.id for m in plan.matched]
        assert [f.name for f in plan.unknown] == ["notes.txt"]
    packed.write_bytes(packed.read_bytes().replace(b"export\\", b"..\\out\\"))
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
