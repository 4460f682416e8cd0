"""Train the embedded family: ``python -m bench.tiny.train [--smoke]``.

Stages: autoencoder, decoder (the autoencoder's, trained further), teacher (tiny-pro), dev, schnell, clip. Each continues
from its own checkpoint under ``--work``; a finished stage is loaded. ``--from-weights`` starts a stage without a checkpoint
from the committed weights.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from diffusers import AutoencoderTiny

from bench.core import resources
from bench.tiny.training import autoencoder, flow, model_card, models, similarity, tokenizer
from bench.tiny.training.data import Pool
from bench.tiny.training.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STAGES = ("autoencoder", "decoder", "teacher", "dev", "schnell", "clip")
SMOKE = {"autoencoder": (8, 8), "decoder": (4, 8), "teacher": (6, 8), "dev": (4, 8), "schnell": (4, 8), "clip": (4, 24)}
CPU = {"autoencoder": (7200, 32), "decoder": (1500, 32), "teacher": (5500, 64), "dev": (1200, 48), "schnell": (900, 48), "clip": (2000, 96)}
GPU = {
    "autoencoder": (20000, 128),
    "decoder": (3000, 128),
    "teacher": (40000, 256),
    "dev": (8000, 256),
    "schnell": (8000, 256),
    "clip": (10000, 256),
}
"""Steps and batch of each stage."""
FAMILY = {"teacher": ("tiny-pro", None), "dev": ("tiny-dev", "teacher"), "schnell": ("tiny-schnell", "dev")}
"""The pipeline that a stage trains, and the stage it is distilled from."""


def _denoiser_from_weights(folder: Path, size: models.Size, *, guidance: bool) -> flow.Denoiser | None:
    """A stage's committed weights as a starting point, None where there are none."""
    if not (folder / "model_index.json").exists():
        return None
    pipe = models.load_pipeline(folder)
    model = flow.Denoiser(size, guidance=guidance)
    for part in ("transformer", "text_encoder", "text_encoder_2"):
        getattr(model, part).load_state_dict(getattr(pipe, part).float().state_dict())
    return model


def _autoencoder(loop: Loop, decoder: Loop, out: Path, *, from_weights: bool) -> AutoencoderTiny:
    """Train, continue or load the autoencoder, with the latent scale its transformers are trained at."""
    committed = out / "tiny-pro" / "vae"
    if from_weights and committed.exists() and not (loop.folder / "autoencoder.pt").exists():
        return AutoencoderTiny.from_pretrained(committed, dtype=torch.float32).to(loop.device).eval().requires_grad_(requires_grad=False)
    vae = autoencoder.train_autoencoder(loop)
    vae.register_to_config(scaling_factor=_latent_scale(vae))
    return autoencoder.sharpen(decoder, vae)


def _flow_stages(
    stages: list[str], loop: Callable[..., Loop], vae: AutoencoderTiny, size: models.Size, out: Path, *, from_weights: bool
) -> None:
    """Teacher, dev, schnell in order; each is saved as a pipeline of its own."""
    pool: Pool | None = None
    parents: dict[str, flow.Denoiser] = {}
    for stage, (name, parent) in FAMILY.items():
        plan = loop(stage)
        needed = stage in stages or any(s in stages for s in STAGES[STAGES.index(stage) + 1 : 5])
        if not needed:
            continue
        start = None
        if from_weights and not (plan.folder / f"{stage}.pt").exists():
            start = _denoiser_from_weights(out / name, size, guidance=stage == "dev")
        if start is not None and stage not in stages:
            parents[stage] = start.to(plan.device).eval().requires_grad_(requires_grad=False)
            continue
        pool = pool or Pool(vae, plan.seed, plan.device, plan.first)
        if parent is None:
            parents[stage] = flow.train_teacher(plan, pool, size, start)
        else:
            distil = flow.train_dev if stage == "dev" else flow.train_schnell
            parents[stage] = distil(plan, pool, parents[parent], size, start)
        parts = {"vae": vae, **{k: getattr(parents[stage], k) for k in ("transformer", "text_encoder", "text_encoder_2")}}
        models.save_pipeline(out / name, copy.deepcopy(parts), tokenizer.build_tokenizer())
        model_card.write_model(out / name, name, plan)


def _latent_scale(vae: AutoencoderTiny) -> float:
    """One over the standard deviation of the latents of 64 scenes, so that the flow sees unit variance."""
    import numpy as np  # noqa: PLC0415 - one small use

    with torch.no_grad():
        latents = vae.encode(autoencoder.training_pictures(np.random.default_rng(1), 64)).latents
    return round(1 / float(latents.std()), 4)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages of ``--stages``; write the weights, the log and the model cards."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("train"), help="checkpoints and log (default: train)")
    parser.add_argument("--out", type=Path, help="where weights are written (default: the project's weights folder)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--smoke", action="store_true", help="a minute of every stage, into --work/smoke; no weights are replaced")
    parser.add_argument("--from-weights", action="store_true", help="start a stage without checkpoint from the committed weights")
    parser.add_argument("--steps", type=int, help="steps of each chosen stage instead of the recipe's")
    parser.add_argument("--heads", type=int, default=models.Size.heads, help="attention heads of 32 channels")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    transformers.logging.set_verbosity_error()
    if args.smoke:
        args.work = args.work / "smoke"
        args.out = args.out or args.work / "weights"
    recipe = SMOKE if args.smoke else GPU if cuda else CPU
    out: Path = args.out or resources.folder("weights")
    size = models.Size(heads=args.heads)
    args.work.mkdir(parents=True, exist_ok=True)

    def loop(stage: str, **more: float) -> Loop:
        steps, batch = recipe[stage]
        if stage in args.stages and args.steps:
            steps = args.steps
        first = 256 if args.smoke else Loop.first
        return Loop(stage, args.work, steps, batch, args.seed, "cuda" if cuda else "cpu", first=first, **more)  # type: ignore[arg-type]

    stages = [s for s in STAGES if s in args.stages]
    if stages != ["clip"]:
        vae = _autoencoder(loop("autoencoder", average=0.99), loop("decoder", average=0.99), out, from_weights=args.from_weights)
        if FAMILY.keys() & set(stages):
            _flow_stages(stages, loop, vae, size, out, from_weights=args.from_weights)
    if "clip" in stages:
        models.save_clip(out / "clip-tiny", similarity.train_clip(loop("clip")), tokenizer.build_tokenizer())
        model_card.write_model(out / "clip-tiny", "clip-tiny", loop("clip"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
