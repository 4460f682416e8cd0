"""CLIP similarity on real architectures with seeded random weights: parity, planted faults, preprocessing, long prompts."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support import paths
from support.clip_models import DEVIATION, L14, MEAN, PROMPTS, build, photo, photos, save_vocabulary
from support.requirements import in_package

from bench.config import presets
from bench.core.fingerprint import difference, parse_fingerprint
from bench.errors import ConfigError, MissingWeightsError
from bench.metrics import ImageMetric, Sample
from bench.metrics.alignment import clip
from bench.metrics.alignment.clip import ClipSimilarity
from bench.metrics.extractors.contrastive import ContrastiveModel, cosine
from bench.tiny import scenes
from bench.tiny.training import tokenizer
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = paths.GOLDEN / "clip-openai-transform.npz"
TINY_PROMPTS = [
    "a red circle on the left, on white",
    'a blue star above a pink cross, on sky over mint, with a black sign reading "HELLO"',
    "three green hearts in a row, on grey",
]


def sample(text: str, image: Image.Image | None = None, seed: int = 0, revised: str | None = None) -> Sample:
    record = ImageRecord(
        "p", "c", "tiny", "h", Request("m", "r", text, None, seed, 128, 128), "ok", "e", "now", revised_prompt=revised
    )  # fmt: skip
    return Sample(record, image or scenes.draw(scenes.parse(TINY_PROMPTS[0]), seed))


def values(metric: ClipSimilarity, *samples: Sample) -> dict[str, list[float]]:
    rows = metric.score(samples)
    return {c.name: [r.value for r in rows if r.metric == c.name] for c in metric.columns}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from bench.tiny.training import models

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "clip-seeded"
    model = models.clip_model()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    models.save_clip(path, model, tokenizer.build_tokenizer())
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("clip") / "l14"
    yield build(folder, **L14)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def b32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("clip") / "b32"
    yield build(folder)
    shutil.rmtree(folder)


def of_torchmetrics(folder: Path, samples: list[Sample]) -> list[float]:
    """torchmetrics' CLIPScore / 100 of each sample, with transformers' own processors and network."""
    import torch
    from torchmetrics.functional.multimodal import clip_score
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

    class Processor:
        """torchmetrics asks for one processor of both kinds."""

        images = CLIPImageProcessor.from_pretrained(folder)
        words = AutoTokenizer.from_pretrained(folder)

        def __call__(self, text: list[str] | None = None, images: list[torch.Tensor] | None = None, **_: object) -> dict[str, torch.Tensor]:
            made = dict(self.words(text, return_tensors="pt", padding=True)) if text else {}
            return made | (dict(self.images(images, return_tensors="pt")) if images else {})

    class Model:
        """torchmetrics 1.9 expects tensors where transformers 5 answers with outputs."""

        inner = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        config = inner.config

        def to(self, _: torch.device) -> Model:
            return self

        def get_image_features(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.inner.get_image_features(pixels).pooler_output

        def get_text_features(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.inner.get_text_features(ids, attention_mask=mask).pooler_output

    both = (Model(), Processor())
    found = []
    for one in samples:
        pixels = torch.from_numpy(np.array(one.image)).permute(2, 0, 1)
        with torch.no_grad():
            found.append(float(clip_score(pixels, one.record.request.prompt, model_name_or_path=lambda: both)) / 100)
    assert min(found) > 0, "a clamped score compares nothing"
    return found


@pytest.fixture(scope="module")
def known(large: Path) -> tuple[list[Sample], list[float]]:
    samples = [sample(t, i) for t, i in zip(PROMPTS, photos(), strict=True)]
    return samples, of_torchmetrics(large, samples)


def gap(metric: ClipSimilarity, samples: list[Sample], theirs: list[float]) -> float:
    """Largest difference to torchmetrics, on the cosine's scale, of the cosine and of its hundredfold."""
    mine = values(metric, *samples)
    hundredth = [v / 100 for v in mine[f"{metric.name}.score100"]]
    return float(max(np.abs(np.subtract(mine[metric.name], theirs)).max(), np.abs(np.subtract(hundredth, theirs)).max()))


class DoubleRescale(ContrastiveModel):
    def pixels(self, images: Any) -> Any:
        return dict(self.loaded.image_processor([np.asarray(i, np.float32) / 255 for i in images], return_tensors="pt"))


class Bilinear(ContrastiveModel):
    def pixels(self, images: Any) -> Any:
        return dict(self.loaded.image_processor(list(images), resample=2, return_tensors="pt"))


class LostEndToken(ContrastiveModel):
    def ids(self, texts: Any) -> Any:
        whole = self.loaded.tokenizer(list(texts), return_tensors="pt")
        return {k: v[:, :-1] for k, v in whole.items()}


@pytest.mark.slow
def test_the_cosine_is_that_of_torchmetrics(large: Path, known: tuple[list[Sample], list[float]]) -> None:
    assert gap(ClipSimilarity("seeded", str(large)), *known) < 1e-5


@pytest.mark.slow(seconds=10)
def test_the_cosine_is_that_of_torchmetrics_on_all_of_b32(b32: Path) -> None:
    samples = [sample(t, i) for t, i in zip(PROMPTS, photos(), strict=True)]
    assert gap(ClipSimilarity("seeded", str(b32)), samples, of_torchmetrics(b32, samples)) < 1e-5


def test_the_cosine_is_that_of_torchmetrics_in_the_embedded_domain(tiny: Path) -> None:
    samples = [sample(t, scenes.draw(scenes.parse(t), i)) for i, t in enumerate(TINY_PROMPTS)]
    assert gap(ClipSimilarity("clip_seeded", str(tiny)), samples, of_torchmetrics(tiny, samples)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("fault", [DoubleRescale, Bilinear, LostEndToken])
def test_a_planted_fault_is_seen(fault: type[ContrastiveModel], large: Path, known: tuple[list[Sample], list[float]],
                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(clip, "ContrastiveModel", fault)
    assert gap(ClipSimilarity("seeded", str(large)), *known) > 1e-4, "the contract's tolerance, ten times what the parity test allows"


def test_tokens_are_those_of_openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against OpenAI's own tokenizer, as open_clip carries it; its file is loaded alone, as the package wants torchvision."""
    from transformers import AutoTokenizer

    save_vocabulary(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    ours = AutoTokenizer.from_pretrained(tmp_path)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    in_package("ftfy", "ftfy/__init__.py")
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", in_package("open_clip_torch", "open_clip/tokenizer.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs = module.SimpleTokenizer()
    for text in [
        *PROMPTS,
        "",
        "  two\n lines ",
        'A sign: "OPEN 24/7", please',
        "xyzzyqwrtp 12345",
        "中文的招牌",
        "don't we're I'll",
        "a" * 90,
    ]:
        ids = ours(text).input_ids
        assert ids == [49406, *theirs.encode(text), 49407], text
    for text in ["it’s a “sign”", "fish &amp; chips", "Ｆｕｌｌ ｗｉｄｔｈ"]:
        assert ours(text).input_ids[1:-1] != theirs.encode(text), "OpenAI's cleaning straightens these, transformers does not: documented"
    long = " ".join(["red"] * 100)
    assert ours(long, truncation=True, max_length=77).input_ids == theirs(long)[0].tolist()


@pytest.mark.parametrize("name", ["grace_hopper", "chelsea", "coffee"])
def test_preprocessing_is_openais_transform(name: str, large: Path) -> None:
    """The golden values are every fifth pixel of what OpenAI's transform makes of the photograph.

    Made with torchvision 0.29.1's transforms (torch 2.13, Pillow 13.0), the package's compiled operators left out: Resize(224,
    BICUBIC), CenterCrop(224), RGB, ToTensor, Normalize(MEAN, DEVIATION) on the opened file, then ``[:, ::5, ::5]``.
    """
    pixels = ContrastiveModel("seeded", str(large)).pixels([photo(name)])["pixel_values"].numpy()[0]
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(pixels[:, ::5, ::5], golden[name], atol=1e-5)


def test_an_odd_margin_is_cropped_one_pixel_further_left_than_openai_does(large: Path) -> None:
    pixels = ContrastiveModel("seeded", str(large)).pixels([photo("rocket")])["pixel_values"].numpy()[0]
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(pixels[:, :, 1:][:, ::5, ::5], golden["rocket"], atol=1e-5)


def test_pictures_reach_the_network_rescaled_once(large: Path) -> None:
    metric = ClipSimilarity("seeded", str(large))
    fed: list[np.ndarray] = []
    metric.model.loaded.network.vision_model.register_forward_pre_hook(
        lambda _, __, kw: fed.append(kw["pixel_values"].numpy()), with_kwargs=True
    )
    for grey in (0, 128, 255):
        metric.score([sample(PROMPTS[0], Image.new("RGB", (300, 260), (grey,) * 3))])
        expected = (grey / 255 - np.array(MEAN)) / np.array(DEVIATION)
        np.testing.assert_allclose(fed[-1][0].mean((1, 2)), expected, atol=1e-5)
        np.testing.assert_allclose(fed[-1][0].std((1, 2)), 0, atol=1e-5)


def test_a_picture_of_floats_is_turned_away_before_it_turns_black(tiny: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(tiny))
    white = np.ones((128, 128, 3), np.float32)
    trapped = metric.model.loaded.image_processor([white], return_tensors="np").pixel_values
    assert trapped.max() < -0.98, "the trap is there: white reads as black"
    for image in (white, Image.fromarray(white[..., 0])):
        with pytest.raises(TypeError, match="8-bit"):
            metric.features([image])


def test_palette_and_transparency_are_made_rgb(tiny: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(tiny))
    picture = scenes.draw(scenes.parse(TINY_PROMPTS[0]), 0)
    np.testing.assert_array_equal(metric.features([picture.convert("RGBA")]), metric.features([picture]))
    assert metric.features([picture.convert("P"), picture.convert("L")]).shape == (2, 64)


def test_features_are_normalised_and_do_not_depend_on_the_batch(tiny: Path) -> None:
    pictures = [scenes.draw(scenes.parse(t), i) for i, t in enumerate(TINY_PROMPTS)]
    one, three = (ClipSimilarity("clip_seeded", str(tiny), batch_size=n).features(pictures) for n in (1, 3))
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(one, three, atol=1e-6)
    assert one.dtype == np.float32


def test_it_is_an_extractor_for_the_runs_of_before(tiny: Path) -> None:
    metric, model = ClipSimilarity("clip_seeded", str(tiny)), ContrastiveModel("clip_seeded", str(tiny))
    pictures = [scenes.draw(scenes.parse(TINY_PROMPTS[0]), 0)]
    assert metric.fingerprint_fields() == model.fingerprint_fields()
    np.testing.assert_array_equal(metric.features(pictures), model.features(pictures))


@pytest.mark.slow
def test_clipscore_is_of_the_prefixed_prompt(large: Path) -> None:
    metric = ClipSimilarity("seeded", str(large))
    found = values(metric, sample("two dogs", photos()[0]))
    (prefixed,) = of_torchmetrics(large, [sample("A photo depicts two dogs", photos()[0])])
    assert found["seeded.clipscore"] == pytest.approx([2.5 * prefixed], abs=1e-4)
    assert found["seeded.clipscore"] != pytest.approx([2.5 * found["seeded"][0]], abs=1e-4)


def test_the_revised_prompt_has_its_own_column(tiny: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(tiny))
    assert isinstance(metric, ImageMetric)
    *_, revised = metric.score([sample(TINY_PROMPTS[0], revised=TINY_PROMPTS[1])])
    assert revised.metric == "clip_seeded.revised"
    assert revised.value == values(metric, sample(TINY_PROMPTS[1]))["clip_seeded"][0]
    *_, none = metric.score([sample(TINY_PROMPTS[0])])
    assert (none.status, none.reason) == ("not_applicable", "the model reported no revised prompt")


@pytest.mark.slow
def test_a_long_prompt_keeps_its_end_token_and_says_that_it_was_cut(large: Path) -> None:
    metric = ClipSimilarity("seeded", str(large))
    text = " ".join(["a", "red", "lighthouse"] * 40)
    row, *_ = metric.score([sample(text, photos()[0])])
    assert row.detail == {"tokens": 122, "truncated": True}
    ids = metric.model.ids([text])["input_ids"][0].tolist()
    assert (len(ids), ids[-1]) == (77, 49407)
    by_hand = metric.model.text(" ".join(text.split()[:75]))
    assert (by_hand.tokens, by_hand.truncated) == (77, False)
    np.testing.assert_allclose(metric.model.text(text).vector, by_hand.vector, atol=1e-6)
    lost = LostEndToken("seeded", str(large)).text(by_hand_text := " ".join(text.split()[:75]))
    assert float(cosine(lost.vector, metric.model.text(by_hand_text).vector)) < 0.9


def test_the_end_token_is_kept_in_the_embedded_domain_too(tiny: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(tiny))
    text = " ".join(["red"] * 60)
    row, *_ = metric.score([sample(text)])
    assert row.detail == {"tokens": 61, "truncated": True}
    assert metric.model.ids([text])["input_ids"][0, -1] == tokenizer.EOS
    assert not metric.score([sample(TINY_PROMPTS[0])])[0].detail["truncated"]


def test_a_long_prompt_can_be_averaged_over_its_sentences(tiny: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(tiny), windows=True)
    sentences = [" ".join([word] * 28) + "." for word in ("red", "blue", "green")]
    row, *_ = metric.score([sample(" ".join(sentences))])
    assert row.detail == {"tokens": 88, "truncated": False, "windows": 3}
    mean = np.mean([metric.model.text(s).vector for s in sentences], axis=0)
    np.testing.assert_allclose(metric.model.text(" ".join(sentences), windowed=True).vector, mean / np.linalg.norm(mean), atol=1e-6)
    plain = ClipSimilarity("clip_seeded", str(tiny))
    assert values(metric, sample(TINY_PROMPTS[0]))["clip_seeded"] == pytest.approx(values(plain, sample(TINY_PROMPTS[0]))["clip_seeded"])
    assert set(difference([metric.fingerprint(), plain.fingerprint()])) == {"long_prompts"}


def test_a_text_is_embedded_once(tiny: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(tiny), prefix="")
    calls: list[object] = []
    metric.model.loaded.network.text_model.register_forward_pre_hook(lambda *_: calls.append(1))
    metric.score([sample(TINY_PROMPTS[0], seed=seed) for seed in range(3)])
    metric.score([sample(TINY_PROMPTS[0], seed=4)])
    assert len(calls) == 1


def test_the_fingerprint_spells_out_what_the_number_depends_on(large: Path) -> None:
    held = parse_fingerprint(ClipSimilarity("seeded", str(large)).fingerprint())
    assert held["preprocess"] == (
        "8-bit RGB, bicubic (Pillow) to shortest edge 224, centre crop 224x224, times 0.00392156863, "
        "mean 0.48145466 0.4578275 0.40821073, deviation 0.26862954 0.26130258 0.27577711"
    )
    assert held["tokenizer"] == "CLIPTokenizer, 77 tokens"
    assert held["weights"].startswith("l14@")
    assert set(held) >= {"dtype", "transformers", "tokenizers", "pillow", "prefix", "long_prompts"}
    assert "tokenizer" not in ClipSimilarity("seeded", str(large)).fingerprint_fields(), "features of pictures do not depend on it"


def test_other_weights_have_another_fingerprint_and_a_copy_the_same(tiny: Path, tmp_path: Path) -> None:
    copy, other = tmp_path / "a" / tiny.name, tmp_path / "b" / tiny.name
    shutil.copytree(tiny, copy)
    shutil.copytree(tiny, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "changed": True}))
    first, same, changed = (ClipSimilarity("clip_seeded", str(f)).fingerprint() for f in (tiny, copy, other))
    assert first == same
    assert set(difference([first, changed])) == {"weights"}


def test_incomplete_weights_are_not_filled_up_with_random_ones(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, tmp_path / "cut")
    held = load_file(tmp_path / "cut" / "model.safetensors")
    held.pop("visual_projection.weight")
    save_file(held, tmp_path / "cut" / "model.safetensors", {"format": "pt"})
    with pytest.raises(MissingWeightsError, match=r"lacks 1 .*visual_projection\.weight"):
        ClipSimilarity("clip_seeded", str(tmp_path / "cut")).score([sample(TINY_PROMPTS[0])])


def test_a_model_of_another_kind_is_named(tiny: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    shutil.copytree(tiny, tmp_path / "bert")
    BertModel(BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)).save_pretrained(
        tmp_path / "bert"
    )
    with pytest.raises(ConfigError, match="bert model"):
        ClipSimilarity("clip_seeded", str(tmp_path / "bert")).features([photo("grace_hopper")])


def test_missing_weights_say_what_to_do() -> None:
    for name in ("clip", "clip_b32", "siglip2"):
        (metric,) = presets.metrics([name])
        with pytest.raises(MissingWeightsError, match=rf"hf download {metric.repo}, then: python -m bench score RUN metric=\[{name}\]"):
            metric.score([sample(TINY_PROMPTS[0])])
