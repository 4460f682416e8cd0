"""The pictures side by side, as data for the page's script: columns of plain values, a row a picture.

::

    runs        name, colour, base (where its full-size pictures lie from the page, null where they do not)
    metrics     name, unit, higher (whether it is better, null for neither), values (a picture; "at": pictures that have
                one, where few do), missing (picture to place in texts: why there is no value)
    shown       places in metrics: what stands below a picture; text: the place of ocr.exact, or null
    categories, statuses (words, kind), texts (sentences, which other columns name by their place)
    prompts     id, text, category (place), expected (row to texts asked for), pictures (how many), in order
    pictures    run, seed, status, file (places in their lists; file -1 without a picture), original (below the run's base)
    files       src, width, height, below ``folder``
    error, notes, revised     picture to place in texts
    ocr         picture to regions, a region a list of pieces: "=" read as asked, "-" missing, "+" not asked for

In a folder the data is a script of its own, ``gallery-data.js``, so that the page opens before it is read.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.analysis import votes
from bench.analysis.columns import one_a_metric
from bench.core.files import write_atomically
from bench.report import figures, thumbnails, wording
from bench.report.text_diff import diff_marks
from bench.store import COMPARISONS
from bench.store.results import labelled

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    from bench.analysis.columns import Cards
    from bench.analysis.frames import Frames
    from bench.core.progress import Progress
    from bench.store import Run

DATA = "gallery-data.js"
_MAX_SHOWN = 6
"""Scores that stand below a picture at most; the enlarged view has all."""
_SPARSE = 0.5
"""Below this share of pictures with a value the column says which they are."""
_UNREADABLE = ("picture cannot be read", "failed")


def gallery(
    runs: Sequence[Run], tables: Frames, folder: Path, *, embed: bool = False, progress: Progress | None = None
) -> dict[str, object]:
    """Gather the gallery of ``runs`` from their frames.

    Args:
        runs: those of the frames, in their order.
        tables: ``images``, ``scores`` and ``summary`` of ``bench.analysis.frames``.
        folder: of the report; ``thumbs/`` and ``gallery-data.js`` are written there, with ``embed`` neither.
        embed: pictures become part of the data.
        progress: shows how many thumbnails are made.

    Returns:
        JSON-ready, for the script; see the module.
    """
    images = _in_order(tables["images"])
    labels = {str(label): place for place, label in enumerate(dict.fromkeys(tables["images"]["run"]))}
    named = labelled(runs)
    folders = {label: named[label].path for label in labels}
    pictures = _pictures(images, folders)
    thumbs = thumbnails.embedded(pictures, progress) if embed else thumbnails.write(pictures, folder / "thumbs", progress)
    base = {label: None if embed else _base(path, folder) for label, path in folders.items()}
    texts, statuses = _Places(), _Places()
    metrics = _metrics(images, tables["scores"], tables["summary"], texts)
    names = [metric["name"] for metric in metrics]
    shown = _thumb_places(images["sha256"], thumbs)
    data: dict[str, object] = {
        "runs": _runs(base),
        "metrics": metrics,
        "shown": _below_a_picture(names, tables.cards),
        "text": names.index("ocr.exact") if "ocr.exact" in names else None,
        **_prompts(images),
        "pictures": {
            "run": [labels[run] for run in images["run"]],
            "seed": [None if pd.isna(seed) else int(seed) for seed in images["seed"]],
            "status": [statuses[pair] for pair in _statuses(images["status"], shown)],
            "file": shown,
            "original": _originals(images, base, thumbs),
        },
        "files": {key: [getattr(thumb, key) for thumb in thumbs.values()] for key in ("src", "width", "height")},
        "folder": "" if embed else "thumbs/",
        "error": _text_places(images["error"], texts),
        "revised": _text_places(images["revised_prompt"], texts),
        "notes": _text_places(_remarks(images), texts),
        "ocr": _regions(images, tables["scores"]),
        "statuses": statuses.items,
        "texts": texts.items,
    }
    if not embed:
        write_atomically(folder / DATA, f"window.GALLERY = {script_json(data)};\n", flush=False)
    return data


def _in_order(images: pd.DataFrame) -> pd.DataFrame:
    """The pictures by prompt, run and seed; prompts and runs in the order they first come."""
    prompt, run = (pd.factorize(images[column])[0] for column in ("prompt_id", "run"))
    order = np.lexsort((images["seed"].astype(float).fillna(-1), run, prompt))
    return images.iloc[order].reset_index(drop=True)


def _runs(base: Mapping[str, str | None]) -> list[dict[str, Any]]:
    colours = figures.PALETTE * (len(base) // len(figures.PALETTE) + 1)
    return [{"name": name, "colour": colour, "base": where} for (name, where), colour in zip(base.items(), colours, strict=False)]


def _prompts(images: pd.DataFrame) -> dict[str, Any]:
    """Categories and prompts, of pictures in order."""
    prompt, ids = pd.factorize(images["prompt_id"])
    first = images.groupby(prompt).head(1)
    category, categories = pd.factorize(first["category"], sort=True)
    return {
        "categories": [str(c) for c in categories],
        "prompts": {
            "id": [str(i) for i in ids],
            "text": first["prompt"].tolist(),
            "category": category.tolist(),
            "expected": {i: list(texts) for i, texts in enumerate(first["expected_text"]) if len(texts)},
            "pictures": np.bincount(prompt, minlength=len(ids)).tolist(),
        },
    }


def script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class _Places:
    """Values by the place where each is kept once."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._places: dict[Hashable, int] = {}

    def __getitem__(self, value: Hashable) -> int:
        place = self._places.setdefault(value, len(self.items))
        if place == len(self.items):
            self.items.append(value)
        return place


def _pictures(images: pd.DataFrame, folders: Mapping[str, Path]) -> dict[str, Path]:
    """A file for every different picture."""
    there = images[images["image"].notna() & images["sha256"].notna()].drop_duplicates("sha256")
    rows = zip(there["sha256"], there["run"], there["image"], strict=True)
    return {str(sha): folders[run] / str(image) for sha, run, image in rows}


def _base(path: Path, folder: Path) -> str | None:
    """The run's folder as seen from the report's, where the two lie in one results folder; never an absolute path."""
    run, report = path.resolve(), folder.resolve()
    if report == run / "report":
        return ".."
    if report.parent.name == COMPARISONS and report.parent.parent == run.parent:
        return f"../../{run.name}"
    return None


def _thumb_places(hashes: pd.Series[str], thumbs: Mapping[str, thumbnails.Thumb]) -> list[int]:
    """Each picture's place among the thumbnails, -1 for none."""
    places: list[int] = hashes.map({sha: i for i, sha in enumerate(thumbs)}).fillna(-1).astype(int).tolist()
    return places


def _statuses(status: pd.Series[str], shown: Sequence[int]) -> list[tuple[str, str]]:
    words = {name: wording.status(name) for name in status.unique()}
    return [_UNREADABLE if name == "ok" and file < 0 else words[name] for name, file in zip(status, shown, strict=True)]


def _originals(images: pd.DataFrame, base: Mapping[str, str | None], thumbs: Mapping[str, thumbnails.Thumb]) -> dict[int, str]:
    """Pictures that have more pixels than their thumbnail, and can be reached."""
    larger = images["sha256"].isin([sha for sha, thumb in thumbs.items() if not thumb.whole]).to_numpy()
    reached = larger & images["run"].isin([run for run, where in base.items() if where is not None]).to_numpy()
    return dict(zip(np.flatnonzero(reached).tolist(), images.loc[reached, "image"], strict=True))


def _metrics(images: pd.DataFrame, scores: pd.DataFrame, summary: pd.DataFrame, texts: _Places) -> list[dict[str, Any]]:
    """The metrics that have a value for a picture, in the order of the summary."""
    keys = ["run", "prompt_id", "request_id"]
    places = pd.MultiIndex.from_frame(images[keys].astype(object))
    of_pictures = scores[scores["request_id"].notna() & (scores["status"] != "not_applicable")]
    at = places.get_indexer(pd.MultiIndex.from_frame(of_pictures[keys].astype(object)))
    of_pictures, at = of_pictures[at >= 0], at[at >= 0]
    has_picture = (images["status"] == "ok").to_numpy()
    columns = {}
    for metric, rows in of_pictures.assign(at=at).groupby("metric", sort=False):
        ok, not_ok = rows[rows["status"] == "ok"], rows[(rows["status"] == "unscored") & has_picture[rows["at"]]]
        if ok.empty:
            continue
        unit, higher = ok["unit"].iloc[0], ok["higher_is_better"].iloc[0]
        columns[str(metric)] = {
            "name": str(metric), "unit": unit, "higher": None if pd.isna(higher) else bool(higher),
            **_column(ok["at"].to_numpy(), ok["value"].to_numpy(float), len(images)),
            "missing": {int(i): texts[wording.text(why)] for i, why in zip(not_ok["at"], not_ok["reason"], strict=True)},
        }  # fmt: skip
    ranked = [m for m in dict.fromkeys(summary["metric"]) if m in columns]
    return [columns[m] for m in dict.fromkeys([*ranked, *columns])]


def _column(at: np.ndarray, values: np.ndarray, length: int) -> dict[str, list[Any]]:
    """Four significant digits a picture; several values of one picture (votes) as their mean."""
    times = np.bincount(at, minlength=length)
    sums = np.bincount(at, weights=values, minlength=length)
    there = np.flatnonzero(times)
    short = [_short(v) for v in sums[there] / times[there]]
    if len(there) < _SPARSE * length:
        return {"at": there.tolist(), "values": short}
    whole: list[float | int | None] = [None] * length
    for i, value in zip(there.tolist(), short, strict=True):
        whole[i] = value
    return {"values": whole}


def _short(value: float) -> float | int | None:
    """Four significant digits; None for what JSON cannot say."""
    if not np.isfinite(value):
        return None
    cut = float(f"{value:.4g}")
    return int(cut) if cut.is_integer() else cut


def _below_a_picture(metrics: Sequence[str], cards: Cards) -> list[int]:
    """Places of the scores below a picture, one a metric. Votes are none: a picture's points depend on the rivals it met."""
    shown = [m for m in one_a_metric(cards.below_pictures(metrics)) if m != votes.METRIC] or list(metrics)
    return [metrics.index(m) for m in shown[:_MAX_SHOWN]]


def _text_places(column: Iterable[object], texts: _Places) -> dict[int, int]:
    return {i: texts[value] for i, value in enumerate(column) if isinstance(value, str) and value}


def _remarks(images: pd.DataFrame) -> list[str]:
    """What sets a picture apart from those beside it: no seed where others have one, another shape or size than asked for."""
    seeded = bool(images["seed"].notna().any())
    columns = (images[c] for c in ("seed", "width", "height", "settings", "detail"))
    aspects = {text: json.loads(text).get("aspect") for text in images["settings"].unique()}
    remarks = []
    for seed, width, height, settings, detail in zip(*columns, strict=True):
        words = ["no seed"] if seeded and pd.isna(seed) else []
        sent, aspect = f"{width:.0f} × {height:.0f}" if width and height else "", aspects[settings]
        if aspect is not None:
            words.append(f"wanted {aspect}" + (f", asked for {sent}" if sent else ""))
        came = json.loads(detail).get("size") if '"size"' in detail else None
        if sent and came and tuple(came) != (width, height):
            words.append(f"came as {came[0]} × {came[1]}" + ("" if aspect is not None else f", asked for {sent}"))
        remarks.append(" · ".join(words))
    return remarks


def _regions(images: pd.DataFrame, scores: pd.DataFrame) -> dict[int, list[list[str]]]:
    """What was read against what was asked for, where text was."""
    keys = ["run", "prompt_id", "request_id"]
    read = scores[(scores["metric"] == "ocr.exact") & (scores["status"] == "ok") & scores["request_id"].notna()]
    at = pd.MultiIndex.from_frame(images[keys].astype(object)).get_indexer(pd.MultiIndex.from_frame(read[keys].astype(object)))
    pairs = zip(at.tolist(), read["detail"], strict=True)
    return {i: [list(region) for region in _marks(detail)] for i, detail in pairs if i >= 0}


@lru_cache(maxsize=4096)
def _marks(detail: str) -> tuple[tuple[str, ...], ...]:
    regions = json.loads(detail).get("regions", ())
    return tuple(tuple(f"{kind}{piece}" for kind, piece in diff_marks(r["expected"], r["read"])) for r in regions)
