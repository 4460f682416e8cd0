"""Diversity of seeds and doubles among prompts: golden values, an independent hash, and real pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from bench.config import presets
from bench.core.progress import Progress
from bench.engine import score
from bench.errors import ConfigError
from bench.metrics import SetMetric
from bench.metrics.distribution.diversity import Diversity, mean_pairwise_distance
from bench.metrics.distribution.duplicates import Duplicates, PerceptualHash, alike, blocks, correlation, grain, hamming, linked, phash
from bench.tiny import scenes
from bench.types import ImageRecord, Request

FONT = font_manager.findfont("DejaVu Sans")
WORDS = [
    "apple", "river", "candle", "monkey", "silver", "window", "orange", "bridge", "garden", "pencil",
    "rocket", "violin", "butter", "castle", "dragon", "engine", "forest", "guitar", "hammer", "island",
]  # fmt: skip


@dataclass(frozen=True)
class Corner:
    """An extractor of two numbers."""

    name: str = "corner"

    def fingerprint_fields(self) -> Mapping[str, str]:
        return {"weights": "none"}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.array([i.getpixel((0, 0))[:2] for i in images], np.float32)


def record(prompt: str, seed: int) -> ImageRecord:
    request = Request("m", "r", f"text of {prompt}", None, seed, 1, 1)
    return ImageRecord(prompt, "c", "s", "h", request, "ok", "e", "now", sha256=f"{prompt}{seed}")


def photograph() -> Image.Image:
    from matplotlib import cbook

    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return image.convert("RGB")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


@pytest.mark.parametrize(
    ("rows", "distance"),
    [
        ([[1, 0], [0, 1]], 1.0),
        ([[1, 0], [2, 0]], 0.0),
        ([[1, 0], [-3, 0]], 2.0),
        ([[1, 0], [0, 1], [-1, 0]], 4 / 3),  # pairs: 1, 2, 1
        ([[3, 4], [4, 3]], 1 - 24 / 25),
    ],
)
def test_distances_worked_out_by_hand(rows: list[list[float]], distance: float) -> None:
    assert mean_pairwise_distance(np.array(rows)) == pytest.approx(distance, abs=1e-12)


def test_the_mean_distance_is_scipys() -> None:
    from scipy.spatial.distance import pdist

    features = np.random.default_rng(0).normal(size=(9, 32)) + 0.3
    assert mean_pairwise_distance(features) == pytest.approx(pdist(features, "cosine").mean(), rel=1e-12)


def test_a_single_picture_has_no_distance() -> None:
    with pytest.raises(ValueError, match="at least two"):
        mean_pairwise_distance(np.ones((1, 3)))


def test_the_run_is_the_mean_over_prompts_with_several_seeds() -> None:
    metric = Diversity(Corner(), "diversity_corner")
    assert isinstance(metric, SetMetric)
    records = [record("a", 0), record("a", 1), record("b", 0), record("b", 1), record("b", 2), record("c", 0)]
    features = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [1, 0], [5, 5]], np.float32)
    (row,) = metric.compare(features, records)
    assert (row.metric, row.value, row.request_id) == ("diversity_corner", 0.5, None)
    assert {k: row.detail[k] for k in ("n", "pictures", "left_out", "prompts")} == {
        "n": 2, "pictures": 5, "left_out": 1, "prompts": {"a": 1.0, "b": 0.0},
    }  # fmt: skip
    assert (row.detail["low"], row.detail["high"]) == (0, 2), "two prompts say nothing of others"


def test_one_seed_a_prompt_is_unscored_and_says_why() -> None:
    metric = Diversity(Corner(), "diversity_corner")
    (row,) = metric.compare(np.ones((2, 2), np.float32), [record("a", 0), record("b", 0)])
    assert math.isnan(row.value)
    assert "two seeds or more" in str(row.reason)
    assert metric.compare(np.empty((0, 0), np.float32), [])[0].reason == "no pictures"


def test_the_column_is_named_after_the_extractor() -> None:
    with pytest.raises(ConfigError, match="must be called 'diversity_corner'"):
        Diversity(Corner(), "diversity")


def test_the_hash_is_the_one_that_scipys_transform_gives() -> None:
    from scipy import fft

    rng = np.random.default_rng(3)
    pictures = [photograph(), *(scenes.draw(scenes.sample(rng), i) for i in range(20))]
    for image in pictures:
        grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
        low = fft.dctn(grey, type=2)[:8, :8].round(6)
        assert np.array_equal(phash(image).reshape(8, 8), low > np.median(low))


def test_the_hash_of_a_photograph_is_pinned() -> None:
    assert np.packbits(phash(photograph())).tobytes().hex() == GOLDEN


GOLDEN = "9d8a745883d71ea5"
"""As ImageHash 4.3.2 gives it: str(imagehash.phash(Image.open(grace_hopper.jpg).convert("RGB")))."""


def test_jpeg_and_scaling_leave_hash_and_colours_nearly_alone() -> None:
    for image in (photograph(), scenes.draw(scenes.parse("a red circle left of a blue star, on sky"), 0)):
        for other in (jpeg(image, 30), image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)):
            assert (phash(image) != phash(other)).sum() <= 4
            assert np.abs(blocks(image) - blocks(other)).max() < 0.1
        assert (phash(image) != phash(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))).sum() > 12


def test_a_flat_picture_has_one_hash() -> None:
    hashes = [phash(Image.new("RGB", (64, 64), c)) for c in ("white", "red", "grey")]
    assert all(np.array_equal(h, hashes[0]) for h in hashes)
    assert hashes[0].sum() == 1


def test_hamming_counts_bits() -> None:
    bits = np.random.default_rng(0).random((7, 64)) > 0.5
    assert np.array_equal(hamming(bits, bits[:3]), (bits[:, None] != bits[None, :3]).sum(2))


def test_links_through_a_third_make_one_group() -> None:
    assert linked([(4, 9), (0, 1), (1, 4)]) == [[0, 1, 4, 9]]
    assert linked([(0, 2), (5, 6), (2, 3)]) == [[0, 2, 3], [5, 6]]
    assert linked([]) == []


def test_pairs_are_found_across_blocks_of_rows() -> None:
    rng = np.random.default_rng(2)
    features = rng.random((1300, 300)).astype(np.float32)
    features[:, :64] = features[:, :64] > 0.5
    features[1290] = features[5]
    features[1200] = features[7]
    features[1200, 256:] = -features[7, 256:]
    assert alike(features, [str(i) for i in range(1300)], 4, 0.125, 0.98) == [(5, 1290)]


def test_doubles_are_of_other_prompts_and_listed() -> None:
    metric = Duplicates()
    assert isinstance(metric, SetMetric)
    photo, scene = photograph(), scenes.draw(scenes.parse("a red circle on the left, on white"), 0)
    images = [photo, jpeg(photo, 40), scene, scene, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    records = [record("a", 0), record("b", 0), record("c", 0), record("c", 1), record("d", 0)]
    (row,) = metric.compare(metric.extractor.features(images), records)
    assert (row.metric, row.value, row.higher_is_better) == ("duplicates", 0.4, None)
    assert row.detail["groups"] == [[{"prompt_id": "a", "seed": 0}, {"prompt_id": "b", "seed": 0}]]


def test_another_colour_is_another_picture() -> None:
    green, black = (scenes.draw(scenes.parse(f"a {c} square on the right, on mint"), 1) for c in ("green", "black"))
    assert (phash(green) != phash(black)).sum() <= 4
    (row,) = Duplicates().compare(PerceptualHash().features([green, black]), [record("a", 0), record("b", 0)])
    assert row.value == 0


@pytest.mark.slow
def test_different_scenes_are_no_doubles() -> None:
    rng = np.random.default_rng(0)
    drawn = [scenes.draw(scenes.sample(rng), i) for i in range(300)]
    assert alike(PerceptualHash().features(drawn), [str(i) for i in range(300)], 4, 0.125, 0.98) == []


def typeset(word: str, size: int, ground: str = "white") -> Image.Image:
    image = Image.new("RGB", (512, 512), ground)
    font = ImageFont.truetype(FONT, size)
    ImageDraw.Draw(image).text((256, 256), word, font=font, fill="black", anchor="mm")
    return image


def share(images: Sequence[Image.Image], owners: Sequence[str]) -> float:
    (row,) = Duplicates().compare(PerceptualHash().features(images), [record(o, 0) for o in owners])
    return row.value


@pytest.mark.parametrize(("size", "ground"), [(24, "white"), (40, "white"), (64, "#c0c0c0"), (140, "white")])
def test_unlike_words_on_a_plain_ground_are_no_doubles(size: int, ground: str) -> None:
    """Hash and colours alone call 95, 80, 40 and 0 % of them doubles."""
    assert share([typeset(word, size, ground) for word in WORDS], WORDS) == 0


def brighter(image: Image.Image) -> Image.Image:
    return image.point(lambda v: v * 1.1)


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def trimmed(image: Image.Image) -> Image.Image:
    return image.crop((image.width // 33, image.height // 33, image.width, image.height))


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def test_a_double_is_found_through_jpeg_scaling_and_brightness_and_not_through_crop_or_mirror() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 230, (12, 4, 4, 3), dtype=np.uint8)
    soft = [Image.fromarray(pixels).resize((256, 256), Image.Resampling.BICUBIC) for pixels in small]
    originals = [photograph(), *soft, *(typeset(word, 40, "#c0c0c0") for word in WORDS[:4])]
    for change in (lambda i: jpeg(i, 30), half, brighter):
        pairs = [(image, change(image)) for image in originals]
        assert all(correlation(grain(a)[None], grain(b)[None])[0, 0] >= 0.98 for a, b in pairs), "the grain loses none"
        found = [share(pair, ("a", "b")) == 1 for pair in pairs]
        assert found[0]
        assert np.mean(found) > 0.7, "the hash loses some of the smooth ones"
    for change in (trimmed, mirrored):
        assert np.mean([share((image, change(image)), ("a", "b")) for image in originals]) < 0.2
    assert share(soft, [f"p{i}" for i in range(len(soft))]) == 0


def test_grains_correlate_as_numpy_says_and_flat_ones_are_alike() -> None:
    a, b = np.random.default_rng(4).normal(size=(2, 3, 4096))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[:3, 3:], abs=1e-4)
    flat = [grain(Image.new("RGB", (64, 64), c)) for c in ("white", "navy")]
    assert correlation(np.stack(flat), np.stack(flat)) == pytest.approx(np.ones((2, 2)))
    assert correlation(flat[0][None], grain(photograph())[None])[0, 0] < 0.1


def test_pictures_of_one_prompt_cannot_be_doubles() -> None:
    (row,) = Duplicates().compare(np.zeros((2, 4352), np.float32), [record("a", 0), record("a", 1)])
    assert row.status == "unscored"


@pytest.mark.parametrize("change", [{"most": 64}, {"most": True}, {"shade": 2}, {"likeness": -1}])
def test_thresholds_out_of_range_are_named(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"metric.duplicates.{next(iter(change))}"):
        Duplicates(**change)  # type: ignore[arg-type]


def test_a_run_is_scored_through_the_ordinary_way(oracle_run: score.Run) -> None:
    rows = {r.metric: r for r in score.score(oracle_run, presets.metrics(["duplicates", "diversity_clip_tiny"]), Progress())}
    assert rows["duplicates"].value == 0
    assert 0 < rows["diversity_clip_tiny"].value < 0.3
    assert rows["diversity_clip_tiny"].detail["n"] == 4
