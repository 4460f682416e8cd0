"""One call of a pipeline: output that is not finite, pipelines that are not listed, what it is set up with, and the marks of its time."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench.config import presets
from bench.errors import ConfigError
from bench.types import Prompt, Rendered, Request

if TYPE_CHECKING:
    from bench.providers.local.pipeline import PipelineSession

PROMPT = Prompt("a", "a red circle on the left, on white")
NOT_FINITE = "the model's output is not finite"


def opened(name: str, **changes: Any) -> tuple[Any, PipelineSession]:
    provider = presets.provider(name, device="cpu", **changes)
    return provider, provider.open(lambda _: None)


def test_pictures_that_are_not_finite_are_failed_with_what_to_try() -> None:
    provider, session = opened("tiny-pro", steps=2, true_cfg=1e38)
    (made,) = session.render([provider.request(PROMPT, 0)])
    assert (made.status, made.image) == ("failed", None)
    assert made.error is not None
    assert made.error.startswith(NOT_FINITE)
    assert "model.dtype=float32 is the widest, or lower model.true_cfg=1e+38" in made.error


@pytest.mark.parametrize(("dtype", "advice"), [("float16", "model.dtype=bfloat16 or model.dtype=float32"), ("bfloat16", "dtype=float32")])
def test_the_advice_names_a_wider_number_type(dtype: str, advice: str) -> None:
    from bench.providers.local.generation import not_finite

    assert advice in not_finite(presets.provider("tiny-dev", dtype=dtype))


def test_one_picture_of_a_batch_fails_alone_when_the_decoder_gives_nan() -> None:
    provider, session = opened("tiny-schnell", batch_size=3)
    vae = session._pipe.vae
    vae.decoder.register_forward_hook(lambda _module, _given, out: out.index_fill(0, out.new_tensor([1]).long(), math.nan))
    made = session.render([provider.request(PROMPT, seed) for seed in (0, 1, 2)])
    assert [m.status for m in made] == ["ok", "failed", "ok"]
    assert NOT_FINITE in str(made[1].error)


class Unlisted:
    """A pipeline of a family that is not listed: its text encoder runs inside the call, which takes little."""

    def __init__(self) -> None:
        import torch

        self.config, self.components = SimpleNamespace(), dict[str, Any]()
        self.calls: list[list[tuple[str, str | None]]] = []
        self.transformer = torch.nn.Identity()

    @staticmethod
    def numpy_to_pil(images: np.ndarray) -> list[Any]:
        from diffusers import DiffusionPipeline

        return DiffusionPipeline.numpy_to_pil(images)

    def _draw(self, prompt: list[str], negative_prompt: list[str] | None, width: int, height: int) -> Any:
        self.calls.append(list(zip(prompt, negative_prompt or [None] * len(prompt), strict=True)))
        return SimpleNamespace(images=np.stack([np.full((height, width, 3), len(p) / 100) for p in prompt]))


class WithoutSteps(Unlisted):
    """It cannot report its steps."""

    def __call__(
        self,
        prompt: list[str],
        negative_prompt: list[str] | None = None,
        *,
        width: int,
        height: int,
        generator: Any,
        output_type: str = "pil",
    ) -> Any:
        assert len(generator) == len(prompt)
        assert output_type == "np"
        return self._draw(prompt, negative_prompt, width, height)


class WithSteps(Unlisted):
    """It reports the end of each step."""

    def __call__(
        self, prompt: list[str], *, width: int, height: int, num_inference_steps: int, callback_on_step_end: Any, output_type: str = "pil"
    ) -> Any:
        import torch

        torch.linalg.matrix_exp(torch.ones(400, 400))  # the text encoder
        latents = torch.zeros(len(prompt), 2)
        for step in range(num_inference_steps):
            latents = callback_on_step_end(self, step, None, {"latents": self.transformer(latents)})["latents"]
        assert output_type == "np"
        return self._draw(prompt, None, width, height)


def rendered(pipe: Unlisted, *requests: Request, **changes: Any) -> list[Rendered]:
    from bench.providers.local.pipeline import PipelineSession

    settings = presets.provider("tiny-dev", batch_size=4, steps=3, **changes)
    return PipelineSession(pipe, settings, "cpu", 0.0).render(requests)


def asked(prompt: str, negative: str | None = None) -> Request:
    return Request("m", "r", prompt, negative, 0, 64, 64)


def test_a_batch_with_and_without_negative_prompts_keeps_each_its_own() -> None:
    pipe = WithoutSteps()
    made = rendered(pipe, asked("one"), asked("two and more", "blue"), asked("three"))
    assert sorted(pipe.calls, key=len) == [[("two and more", "blue")], [("one", None), ("three", None)]]
    assert [m.timing.batch_size for m in made] == [2, 1, 2]
    (alone,) = rendered(WithoutSteps(), asked("two and more", "blue"))
    assert made[1].image == alone.image != made[0].image


def test_a_pipeline_that_reports_no_steps_has_no_time_for_them() -> None:
    (made,) = rendered(WithoutSteps(), asked("one"))
    timing = made.timing
    assert timing.latency_s > 0
    assert timing.steps == 0
    assert all(math.isnan(part) for part in (timing.encode_s, timing.denoise_s, timing.decode_s))


def test_text_encoders_inside_the_call_are_in_no_step() -> None:
    pipe = WithSteps()
    (made,) = rendered(pipe, asked("one"))
    timing = made.timing
    assert timing.steps == 3
    assert math.isnan(timing.encode_s)
    assert 0 < timing.denoise_s < timing.latency_s - timing.denoise_s - timing.decode_s
    assert not pipe.transformer._forward_pre_hooks


def test_encoding_denoising_and_decoding_add_up_where_they_are_apart() -> None:
    provider, session = opened("tiny-dev", steps=2)
    session.render([provider.request(PROMPT, 0)])
    (made,) = session.render([provider.request(PROMPT, 1)])
    timing = made.timing
    assert timing.latency_s == pytest.approx(timing.encode_s + timing.denoise_s + timing.decode_s)
    assert min(timing.encode_s, timing.denoise_s, timing.decode_s) > 0


class Configured:
    """A pipeline that only remembers how it was set up."""

    def __init__(self, *, repeated: tuple[str, ...] = (), tiles: bool = True) -> None:
        self.did: list[str] = []
        self.watermark = object()
        self.vae = SimpleNamespace(enable_slicing=lambda: self.did.append("slices"), enable_tiling=lambda: self.did.append("tiles"))
        self.vae.use_slicing = False
        if tiles:
            self.vae.use_tiling = False
        self.transformer = SimpleNamespace(
            _repeated_blocks=repeated, compile=lambda: self.did.append("whole"), compile_repeated_blocks=lambda: self.did.append("blocks")
        )

    def set_progress_bar_config(self, *, disable: bool) -> None:
        assert disable


@pytest.mark.parametrize(
    ("changes", "repeated", "expected"),
    [
        ({}, (), []),
        ({"compile": True}, ("Block",), ["blocks"]),
        ({"compile": True}, (), ["whole"]),
        ({"batch_size": 4, "size": 1024}, (), []),
        ({"batch_size": 5, "size": 1024}, (), ["slices"]),
        ({"batch_size": 1, "size": 4096}, (), []),
        ({"vae_tiling": True}, (), ["tiles"]),
    ],
)
def test_a_pipeline_is_set_up_as_configured(changes: dict[str, Any], repeated: tuple[str, ...], expected: list[str]) -> None:
    from bench.providers.local.generation import configure

    pipe = Configured(repeated=repeated)
    configure(pipe, presets.provider("flux-dev", **changes))
    assert pipe.did == expected
    assert pipe.watermark is None


def test_tiles_that_an_autoencoder_lacks_are_refused() -> None:
    from bench.providers.local.generation import configure

    with pytest.raises(ConfigError, match="cannot decode in tiles"):
        configure(Configured(tiles=False), presets.provider("flux-dev", vae_tiling=True))


def test_on_cuda_moments_are_events_that_are_read_only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from bench.providers.local import generation

    waited: list[str] = []

    class Event:
        count = 0

        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.at = Event.count = Event.count + 1

        def elapsed_time(self, other: Event) -> float:
            return 500.0 * (other.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append("all"))
    clock = generation.Clock("cuda")
    for _ in range(3):
        clock.record()
    assert clock.seconds() == [0.0, 0.5, 1.0]
    assert not waited
