"""Model cards and training logs beside the embedded weights."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import torch

from bench.tiny.training import flow

if TYPE_CHECKING:
    from pathlib import Path

    from bench.tiny.training.loop import Loop

_ABOUT = {
    "tiny-pro": (
        "The teacher of the embedded FLUX family: rectified flow on drawn scenes, many steps with true classifier-free guidance.",
        f'num_inference_steps=28, true_cfg_scale={flow.GUIDANCE}, negative_prompt=""',
    ),
    "tiny-dev": (
        "Guidance-distilled from tiny-pro: the guidance is an input, so a step costs one forward pass instead of two.",
        f"num_inference_steps=28, guidance_scale={flow.GUIDANCE}",
    ),
    "tiny-schnell": (
        "Step-distilled from tiny-dev: each step jumps to where tiny-dev's many steps would lead; for 1 to 4 steps.",
        "num_inference_steps=1, guidance_scale=0.0",
    ),
}
_CLIP = (
    "A small CLIP trained on the drawn scenes of the embedded domain and their captions. It knows nothing else: its "
    "score is called `clip_tiny` and is no CLIP score."
)
_DATA = (
    "Scenes drawn by `bench.tiny.scenes` (one to three flat shapes, plain or two-tone ground, a sign with 2 to 8 "
    "random capitals and digits). One word in sixteen and one caption in sixteen, chosen by SHA-256, never enter "
    "training."
)


def write_model(folder: Path, name: str, loop: Loop) -> None:
    """Write README.md (the card) and training-log.jsonl (this stage's part of the log) into ``folder``."""
    rows = _log(loop)
    (folder / "training-log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    last = rows[-1] if rows else {"step": 0, "s": 0.0, "loss": float("nan")}
    what, how = _ABOUT.get(name, (_CLIP, ""))
    lines = [
        "---",
        "license: apache-2.0",
        "---",
        f"# {name}",
        "",
        what,
        "",
        f"- Data: {_DATA}",
        f"- Stage `{loop.name}`: {last['step']} steps of {loop.batch}, last logged loss {last['loss']}, {last['s'] / 60:.0f} minutes",
        f"- Hardware: {_hardware(loop.device)}; torch {torch.__version__.split('+')[0]}",
        "- Recipe: `python -m bench.tiny.train`, resumable; results: `python -m bench.tiny.evaluate`",
    ]
    if how:
        prompt = 'a red circle left of a blue star, on sky over mint, with a yellow sign reading "HELLO"'
        lines += [
            "",
            "```python",
            "from diffusers import FluxPipeline",
            "",
            f'pipe = FluxPipeline.from_pretrained("{name}")',
            f"prompt = {prompt!r}",
            f"picture = pipe(prompt, height=128, width=128, max_sequence_length=32, {how}).images[0]",
            "```",
        ]
    (folder / "README.md").write_text("\n".join(lines) + "\n")


def write_results(folder: Path, results: list[str]) -> None:
    """Put ``results`` under the heading "Results" of the card in ``folder``, instead of earlier ones."""
    file = folder / "README.md"
    head = file.read_text().partition("\n## Results\n")[0].rstrip("\n")
    file.write_text("\n".join([head, "", "## Results", "", *results]) + "\n")


def _log(loop: Loop) -> list[dict[str, Any]]:
    file = loop.folder / "log.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [r for r in rows if r["stage"] == loop.name]


def _hardware(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {platform.machine()}, {torch.get_num_threads()} threads"
