"""Evaluate the embedded family: ``python -m bench.tiny.evaluate [--prompts 200]``.

Renders held-out prompts with every variant through the ordinary providers, engine and metrics. Prints, beside its required
value, the share of signs that OCR reads exactly (relative to tiny-oracle's pictures of the same prompts), the share of
pictures whose shapes have the right kind and colour (by ``bench.tiny.analysis``), and seconds a picture. Writes a contact
sheet. Exit code 1 if a required value is missed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.table import Table

from bench import engine
from bench.config import presets
from bench.core import resources, terminal
from bench.core.progress import Progress
from bench.store import Store
from bench.tiny import analysis, scenes
from bench.tiny.training import model_card
from bench.types import Prompt, PromptSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.store import Run

REQUIRED = {"tiny-pro": (0.85, 0.90), "tiny-dev": (0.80, 0.90), "tiny-schnell": (0.60, 0.80)}
"""Required share of signs read and of pictures with the right shapes, by variant."""
_RESAMPLES = 2000


@dataclass(frozen=True)
class EvaluationLine:
    """One variant's measurements, an entry a prompt.

    Attributes:
        name: the variant.
        read: bool (N,), OCR reads the sign exactly.
        shapes: bool (N,), every shape has its kind and colour.
        places: bool (N,), besides, all are where the caption says.
        seconds: float (N,), latency.
    """

    name: str
    read: np.ndarray
    shapes: np.ndarray
    places: np.ndarray
    seconds: np.ndarray


def held_out_prompts(count: int, seed: int = 4) -> PromptSet:
    """``count`` random captions with a sign whose word training never saw."""
    rng = np.random.default_rng(seed)
    prompts: dict[str, Prompt] = {}
    while len(prompts) < count:
        scene = scenes.sample(rng, signs=1.0)
        text = scenes.caption(scene)
        if scene.word and scenes.held_out(scene.word):
            prompts[text] = Prompt(f"held-{len(prompts):03d}", text, "held-out", expected_text=(scene.word,))
    return PromptSet("held-out", "1.0", "en", "Apache-2.0", "bench.tiny.evaluate", tuple(prompts.values()))


def share_of_ceiling(read: np.ndarray, ceiling: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """sum(read) / sum(ceiling) and the ends of its 95 % percentile-bootstrap interval over prompts; bool arrays (N,)."""
    rng = np.random.default_rng(seed)
    index = rng.integers(len(read), size=(_RESAMPLES, len(read)))
    numerators, denominators = read[index].sum(1), np.maximum(ceiling[index].sum(1), 1)
    low, high = np.percentile(numerators / denominators, [2.5, 97.5])
    return float(read.sum() / max(ceiling.sum(), 1)), float(low), float(high)


def measure_run(run: Run, prompts: PromptSet) -> EvaluationLine:
    """The measurements of a rendered and scored run, in the order of ``prompts``."""
    scores = {r.prompt_id: r.value for r in run.scores() if r.metric == "ocr.exact"}
    records = {r.prompt_id: r for r in run.current()}
    matches = []
    for prompt in prompts.prompts:
        record = records[prompt.id]
        with Image.open(run.image_path(record)) as image:
            matches.append(analysis.check_picture(image, scenes.parse(prompt.text)))
    ids = [p.id for p in prompts.prompts]
    return EvaluationLine(
        run.name,
        np.array([scores[i] == 1.0 for i in ids]),
        np.array([match.shapes for match in matches]),
        np.array([match.places for match in matches]),
        np.array([records[i].timing.latency_s for i in ids]),
    )


def contact_sheet(runs: Sequence[Run], prompts: PromptSet, columns: int = 10) -> Image.Image:
    """Pictures of the first ``columns`` prompts: a row a variant, a column a prompt."""
    edge = scenes.SIZE + 4
    sheet = Image.new("RGB", (columns * edge, len(runs) * edge), "white")
    for y, run in enumerate(runs):
        records = {r.prompt_id: r for r in run.current()}
        for x, prompt in enumerate(prompts.prompts[:columns]):
            with Image.open(run.image_path(records[prompt.id])) as image:
                sheet.paste(image, (x * edge, y * edge))
    return sheet


def retrieval(count: int = 64, seed: int = 9) -> float:
    """Top-1 retrieval: the share of ``count`` held-out pictures whose own caption clip_tiny ranks first among all ``count``."""
    chosen = [scenes.parse(p.text) for p in held_out_prompts(count, seed).prompts]
    clip = presets.metrics(["clip_tiny"])[0].model
    pictures = clip.features([scenes.draw(s, i) for i, s in enumerate(chosen)])
    captions = np.stack([clip.text(scenes.caption(s)).vector for s in chosen])
    captions /= np.linalg.norm(captions, axis=1, keepdims=True)
    return float(((pictures @ captions.T).argmax(1) == np.arange(count)).mean())


def _render(name: str, prompts: PromptSet, store: Store, progress: Progress) -> Run:
    plan = engine.plan(presets.provider(name), prompts, metrics=presets.metrics(["ocr"]), seeds=[0], results=store.root)
    return engine.run(plan, progress).run


def measure_all(prompts: PromptSet, store: Store, progress: Progress) -> tuple[list[Run], list[EvaluationLine]]:
    """Runs and measurements of tiny-oracle and the three variants, in this order; pictures in ``store`` are not rendered again."""
    names = ["tiny-oracle", *REQUIRED]
    runs = [_render(name, prompts, store, progress) for name in names]
    return runs, [replace(measure_run(run, prompts), name=name) for name, run in zip(names, runs, strict=True)]


def results_table(lines: Sequence[EvaluationLine]) -> tuple[Table, bool]:
    """The table of results, and whether every required value is reached; the first of ``lines`` is the oracle's."""
    oracle, *variants = lines
    pace = {line.name: float(np.median(line.seconds)) for line in lines}
    shown = Table(title=f"embedded family, {len(oracle.read)} held-out prompts")
    for heading in (
        "model",
        "signs read",
        "share of oracle",
        "95 %",
        "required",
        "shapes right",
        "required",
        "places right",
        "s a picture",
    ):
        shown.add_column(heading, justify="left" if heading == "model" else "right")
    passed = True
    for line in lines:
        value, low, high = share_of_ceiling(line.read, oracle.read)
        signs, shapes = REQUIRED.get(line.name, (0.0, 0.0))
        passed &= value >= signs and float(line.shapes.mean()) >= shapes
        shown.add_row(
            line.name, f"{line.read.mean():.3f}", f"{value:.3f}", f"{low:.3f}-{high:.3f}", f"{signs:.2f}" if signs else "",
            f"{line.shapes.mean():.3f}", f"{shapes:.2f}" if shapes else "", f"{line.places.mean():.3f}", f"{pace[line.name]:.3f}",
        )  # fmt: skip
    pro, dev, schnell = (pace[v.name] for v in variants)
    shown.caption = f"dev / schnell time {dev / schnell:.1f} (required: 4.0); pro / dev time {pro / dev:.2f} (required: > 1)"
    return shown, passed and dev >= 4 * schnell and pro > dev


def card_text(line: EvaluationLine, oracle: EvaluationLine, prompts: int) -> str:
    """One variant's results as a sentence for its model card."""
    value, low, high = share_of_ceiling(line.read, oracle.read)
    signs, shapes = REQUIRED[line.name]
    return (
        f"On {prompts} held-out prompts at default settings: signs read exactly {line.read.mean():.3f}, which is {value:.3f} of "
        f"what is read on tiny-oracle's pictures (95 % interval {low:.3f} to {high:.3f}; required: {signs:.2f}); every shape of "
        f"the right kind and colour {line.shapes.mean():.3f} (required: {shapes:.2f}); {np.median(line.seconds):.2f} s a picture "
        "on two CPU cores."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Render, score and print; 0 if every required value is reached, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.evaluate", description=__doc__)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--cards", action="store_true", help="write the results into the model cards beside the weights")
    parser.add_argument("--results", type=Path, default=Path("results") / "tiny-evaluation")
    args = parser.parse_args(argv)
    prompts = held_out_prompts(args.prompts)
    console = terminal.console()
    runs, lines = measure_all(prompts, Store(args.results), Progress())
    shown, passed = results_table(lines)
    console.print(shown)
    top1 = retrieval()
    console.print(f"clip_tiny: the right one of 64 held-out captions is ranked first for {top1:.3f} of the pictures (required: 0.90)")
    passed &= top1 >= 0.9
    if args.cards:
        for line in lines[1:]:
            model_card.write_results(resources.folder("weights") / line.name, [card_text(line, lines[0], args.prompts)])
        model_card.write_results(resources.folder("weights") / "clip-tiny", [f"Retrieval top-1 among 64 held-out captions: {top1:.3f}."])
    sheet = args.results / "contact-sheet.png"
    contact_sheet(runs, prompts).save(sheet)
    console.print(f"contact sheet: {sheet}")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
