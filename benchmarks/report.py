"""The comparison report at full size: seconds and memory to build it, seconds until a browser shows its first pictures.

``python benchmarks/report.py [--prompts 5000] [--models 6] [--keep FOLDER]``

The runs are made up from a few dozen pictures of the embedded domain, a touch different for each model, with seeded random
scores and latencies that differ between models; some pictures are refused. The report is built by ``python -m bench
compare`` in a process of its own, whose peak memory is printed; chromium opens it from the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance, ImageFilter

from bench.config import presets
from bench.core.fingerprint import fingerprint
from bench.core.progress import Progress
from bench.store import Run, Store, schema
from bench.tiny import scenes
from bench.types import Column, ImageRecord, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.types import ScoreRow

_MEASURED = """
import sys
from bench.cli.app import main
from bench.providers.local.meters import host_peak
code = main(sys.argv[1:])
print(host_peak())
sys.exit(code)
"""
"""``python -m bench`` that ends with the bytes it held at most: its own, not those of the process that started it."""
PICTURES = 36
EDGE = 768
SEED = 7
WORDS = ("CAFE", "OPEN", "SUGAR", "HOTEL ROMA", "NO ENTRY", "BOOKS AND MAPS")
SUBJECTS = ("a lighthouse", "two red bicycles", "an old harbour", "a glass of tea", "a cat on a wall", "a market at night", "a paper boat")
STYLES = ("in watercolour", "as a photograph at dusk", "as an isometric drawing", "from above", "in the rain", "in bright flat colours")
PLACES = ("photo", "people", "counting", "relation", "style", "text")
COLUMNS = (
    Column("clip", "cosine", worst=0.0),
    Column("siglip2", "cosine", worst=0.0),
    Column("pickscore", "", worst=None),
    Column("vqa", "share", worst=0.0),
)
SPREAD = ((0.28, 0.03, 0.008), (0.12, 0.02, 0.004), (21.0, 1.1, 0.25), (0.62, 0.2, 0.03))
"""Of each column above: its mean, its spread over prompts, and the step from one model to the next."""


@dataclass(frozen=True)
class Built:
    """What building cost.

    Attributes:
        page: the report.
        seconds: of the whole command.
        peak_gib: largest memory it held.
    """

    page: Path
    seconds: float
    peak_gib: float


@dataclass(frozen=True)
class Opened:
    """What a browser made of the page.

    Attributes:
        seconds: from the address to the first row of pictures with its pictures loaded.
        nodes: elements of the gallery after a jump to its end.
        console: what it complained of.
    """

    seconds: float
    nodes: int
    console: list[str]


def synthesise(root: Path, *, prompts: int, models: int, edge: int = EDGE, seed: int = SEED) -> list[Run]:
    """Runs in ``root`` of pictures with ``edge`` pixels a side; model i is better and slower than model i + 1, the last two alike."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=(prompts, len(COLUMNS)))
    levels = [min(m, max(0, models - 2)) for m in range(models)]
    return [_run(root, f"model-{ascii_lowercase[m]}", level, hard, edge=edge, seed=seed + m) for m, level in enumerate(levels)]


def _run(root: Path, label: str, level: int, hard: np.ndarray, *, edge: int, seed: int) -> Run:
    rng = np.random.default_rng(seed)
    run = Store(root).run(label, create=True)
    run.update_info(
        name=label, label=label, model=label, hosted=False, session={"device": "made up"},
        environments={"machine": {"cpu": "made up", "cores": 2, "memory_gib": 8, "python": "3", "packages": {}}},
    )  # fmt: skip
    pictures = _pictures(run, level, edge)
    records = [_record(label, p, pictures[(p * 7) % len(pictures)], level, rng) for p in range(len(hard))]
    scores = [row for p, record in enumerate(records) for row in _scores(record, hard[p], level, rng)]
    (latency,) = presets.metrics(["latency"])
    pq.write_table(schema.records_table(records), run.path / "records.parquet")
    run.save_scores([*scores, *latency.summarise(records, run.info())])  # type: ignore[union-attr]
    return run


def _pictures(run: Run, level: int, edge: int) -> list[tuple[str, str]]:
    """File and hash of each picture, more blurred and paler the lower the model."""
    (run.path / "images").mkdir(parents=True)
    made = []
    for i in range(PICTURES):
        image = scenes.draw(scenes.sample(np.random.default_rng([SEED, i])), 128).resize((edge, edge), Image.Resampling.BICUBIC)
        image = ImageEnhance.Color(image.filter(ImageFilter.GaussianBlur(1.5 * level))).enhance(1 - 0.08 * level)
        data = io.BytesIO()
        image.save(data, "PNG")
        file = f"images/drawn-{i:02}.png"
        (run.path / file).write_bytes(data.getvalue())
        made.append((file, hashlib.sha256(data.getvalue()).hexdigest()))
    return made


def _record(label: str, p: int, picture: tuple[str, str], level: int, rng: np.random.Generator) -> ImageRecord:
    category, word = PLACES[p % len(PLACES)], WORDS[p % len(WORDS)]
    text = f"{SUBJECTS[p % len(SUBJECTS)]} {STYLES[p // 7 % len(STYLES)]}, take {p}"
    text += f', with a sign reading "{word}"' if category == "text" else ""
    refused = rng.random() < 0.004 * (level + 1)
    seconds = float((3.2 / (level + 1)) * rng.lognormal(0, 0.12))
    return ImageRecord(
        prompt_id=f"{category}-{p:05}", category=category, prompt_set="made-up", prompt_set_hash="0",
        request=Request(label, "1", text, None, 0, 768, 768), status="refused" if refused else "ok", environment="machine",
        created="2026-01-01T00:00:00.000+00:00", image=None if refused else picture[0], sha256=None if refused else picture[1],
        timing=Timing() if refused else Timing(latency_s=seconds, denoise_s=0.9 * seconds, steps=28),
        error="the server declined the prompt" if refused else None, cost_usd=0.0, expected_text=(word,) if category == "text" else (),
    )  # fmt: skip


def _scores(record: ImageRecord, hard: np.ndarray, level: int, rng: np.random.Generator) -> Iterator[ScoreRow]:
    exact = Column("ocr.exact", "share", worst=0.0)
    cer = Column("ocr.cer", "edits/char", higher_is_better=False, worst=1.0)
    for column, (mean, spread, step), ease in zip(COLUMNS, SPREAD, hard, strict=True):
        mark = fingerprint(column.name, 1, model="made up")
        if record.status != "ok":
            yield column.missing(mark, "refused: the server declined the prompt", record, status="not_applicable", cause="refused")
            continue
        value = mean + spread * (0.8 * ease + 0.6 * rng.normal()) - step * level
        yield column.scored(mark, float(np.clip(value, 0, 1) if column.unit == "share" else value), record)
    if not record.expected_text or record.status != "ok":
        return
    word = record.expected_text[0]
    wrong = rng.random() < 0.08 + 0.1 * level
    read = word[:-2] + word[-1] + "I" if wrong else word
    detail: dict[str, Any] = {"lines": [[read, 0.9]], "regions": [{"expected": word, "read": read}]}
    yield exact.scored(fingerprint("ocr", 1, engine="made up"), float(not wrong), record, detail)
    yield cer.scored(fingerprint("ocr", 1, engine="made up"), 2 / len(word) if wrong else 0.0, record)


def build(root: Path, runs: Sequence[Run]) -> Built:
    """The comparison as a user makes it."""
    out = root / "comparisons" / "all"
    began = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", _MEASURED, "compare", *[run.name for run in runs], "--results", str(root), "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if told.returncode:
        raise SystemExit(told.stderr)
    return Built(out / "index.html", seconds, int(told.stdout.split()[-1]) / 2**30)


@contextmanager
def browser(chromium: str, driver: str, size: tuple[int, int] = (1280, 900)) -> Iterator[Any]:
    """A headless chromium that asks nothing of any network."""
    from selenium import webdriver  # noqa: PLC0415 - only where a browser is
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415 - as above

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--no-first-run", f"--window-size={size[0]},{size[1]}", "--disable-dev-shm-usage"):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


def open_page(opened: Any, page: Path) -> Opened:  # noqa: ANN401 - selenium's driver
    """Open ``page`` at its gallery, time its first row, jump to its end."""
    opened.set_script_timeout(60)
    opened.get("about:blank")  # an address that differs in its anchor only would load nothing
    began = time.perf_counter()
    opened.get(f"{page.as_uri()}#gallery")
    opened.execute_async_script("""
        const done = arguments[0];
        (function look() {
          const pictures = [...document.querySelectorAll(".g-row:first-child img")];
          if (pictures.length && pictures.every(i => i.complete && i.naturalWidth)) done(); else requestAnimationFrame(look);
        })();""")
    seconds = time.perf_counter() - began
    nodes = opened.execute_async_script("""
        const done = arguments[0], rows = document.getElementById("g-rows");
        scrollTo(0, rows.offsetTop + rows.offsetHeight);
        requestAnimationFrame(() => requestAnimationFrame(() => done(rows.querySelectorAll("*").length)));""")
    return Opened(seconds, nodes, [line["message"] for line in opened.get_log("browser")])


def main() -> None:
    """Make the runs, build the report, open it, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=5000)
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--keep", type=Path, help="make the runs and the report here, and keep them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.keep or Path(temporary)
        began = time.perf_counter()
        runs = synthesise(root, prompts=args.prompts, models=args.models)
        print(f"made {args.models} runs of {args.prompts} prompts in {time.perf_counter() - began:.1f} s")
        built = build(root, runs)
        folder = built.page.parent
        size = {file.name: round(file.stat().st_size / 2**20, 2) for file in (built.page, folder / "gallery-data.js") if file.exists()}
        print(f"report: {built.seconds:.1f} s, peak {built.peak_gib:.2f} GiB, MiB: {json.dumps(size)}")
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not chromium or not driver:
            Progress().say("chromium and chromedriver are not installed: not opened")
            return
        with browser(chromium, driver) as opened:
            for _ in range(3):
                seen = open_page(opened, built.page)
                print(f"first pictures after {seen.seconds:.2f} s, {seen.nodes} elements at the end, console: {seen.console or 'silent'}")


if __name__ == "__main__":
    main()
