"""The HTML page: inline style and script, thumbnails beside it, opened from a file."""

from __future__ import annotations

import json
import re
import shutil
from difflib import SequenceMatcher
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from bench import decoding
from bench.report import figures, wording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from bench.store import Run
    from bench.types import ImageRecord

_EDGE = 512
_SHOWN = ("clip", "clip_b32", "clip_tiny", "siglip2", "pickscore", "vqa", "scene", "ocr.exact", "ocr.cer", "latency")


def write_page(runs: Sequence[Run], tables: dict[str, pd.DataFrame], folder: Path, title: str) -> Path:
    """Write ``index.html`` and ``thumbs/`` into ``folder``."""
    template = files("bench.report") / "template"
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    shutil.rmtree(folder / "thumbs", ignore_errors=True)
    labels = list(dict.fromkeys(tables["images"]["run"]))
    gallery = _gallery(runs, tables, folder)
    page = environment.from_string((template / "report.html.j2").read_text(encoding="utf-8")).render(
        title=title,
        findings=wording.sentences(tables),
        labels=labels,
        ceilings=[label for label, run in zip(labels, runs, strict=True) if run.info().get("ceiling")],
        colours=dict(zip(labels, figures.PALETTE * 9, strict=False)),
        table=_table(tables["summary"], labels),
        figures=_figures(tables),
        environments=tables["environment"].fillna("").to_dict("records"),
        missing=tables["summary"][tables["summary"]["unscored"] > 0].to_dict("records"),
        notes=_notes(tables["summary"]),
        statuses=[wording.counted(group["status"]) for _, group in tables["images"].groupby("run", sort=False)],
        covered=list(wording.covered(tables).values()),
        costs=_costs(wording.money(tables), labels),
        spending=[wording.spending(row) for row in wording.money(tables).values()],
        style=Markup((template / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup((template / "report.js").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        data=Markup(_json(gallery)),  # noqa: S704 - every "<" is written as an escape
        categories=sorted(set(tables["images"]["category"])),
    )
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _notes(summary: pd.DataFrame) -> dict[bool, list[str]]:
    """What is to be said of the metrics of the first table (True) and of the others."""
    front = summary["metric"].isin(wording.headline(summary))
    told = {first: sorted(set(summary.loc[front == first, "note"].dropna())) for first in (True, False)}
    return {True: told[True], False: [note for note in told[False] if note not in told[True]]}


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _table(summary: pd.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    rows = []
    front = wording.headline(summary)
    for metric in dict.fromkeys(summary["metric"]):
        group = summary[summary["metric"] == metric]
        cells: list[dict[str, Any] | None] = []
        for run in labels:
            mine = group[group["run"] == run]
            if mine.empty:
                cells.append(None)
                continue
            row = mine.iloc[0]
            known = row["mean"] == row["mean"]
            low, high = (wording.number(row[k], row["unit"]) for k in ("low", "high"))
            cells.append({
                "mean": wording.number(row["mean"], row["unit"]), "interval": f"{low} to {high}" if low != "–" else "",
                "n": int(row["n"]) if known else 0, "coverage": wording.coverage(row), "best": bool(row["best"]),
                "refused": wording.with_refused(row),
                "reason": wording.text(row["reason"]) or ("does not apply" if row["not_applicable"] else ""), "known": known,
            })  # fmt: skip
        rows.append({
            "metric": re.findall(r"[^._]+[._]?", metric), "unit": group["unit"].iloc[0], "cells": cells, "front": metric in front,
            "arrow": wording.arrow(higher=group["higher_is_better"].iloc[0]),
        })  # fmt: skip
    return {"front": [r for r in rows if r["front"]], "rest": [r for r in rows if not r["front"]]}


def _costs(money: dict[str, dict[str, Any]], labels: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the first table that speak of money."""
    runs = [money[label] for label in labels]
    whole = [wording.usd(row["usd"] + row["presumed_usd"]) for row in runs]
    about = {"per_picture": [wording.price_range(row) for row in runs], "per_success": [f"{total} in all" for total in whole]}
    return [
        {"name": name, "cells": [
            {"text": wording.usd(row[column]), "known": row[column] == row[column], "about": told, "why": row["reason"]}
            for row, told in zip(runs, about[column], strict=True)
        ]}
        for column, name in wording.COSTS.items()
    ]  # fmt: skip


def _figures(tables: dict[str, pd.DataFrame]) -> list[tuple[str, Markup]]:
    made = []
    there = set(tables["summary"]["metric"])
    for metric in [m for m in ("clip", "clip_tiny", "scene", "ocr.exact") if m in there]:
        svg = figures.quality_latency(tables["summary"], metric)
        if svg:
            made.append((f"{metric} against latency", Markup(svg)))  # noqa: S704 - matplotlib escapes text
    svg = figures.latency_distribution(tables["images"])
    if svg:
        made.append(("Latency of every picture", Markup(svg)))  # noqa: S704 - matplotlib escapes text
    return made


def _gallery(runs: Sequence[Run], tables: dict[str, pd.DataFrame], folder: Path) -> dict[str, Any]:
    """What the script shows: a row a prompt, a column a run, pictures by seed."""
    labels = list(dict.fromkeys(tables["images"]["run"]))
    seeded = any(r.request.seed is not None for run in runs for r in run.current())
    scores: dict[tuple[str, str], dict[str, Any]] = {}
    for row in tables["scores"].to_dict("records"):
        if row["request_id"] is not None and row["metric"] in _SHOWN and row["status"] == "ok":
            key = (row["run"], f"{row['prompt_id']} {row['request_id']}")
            entry = scores.setdefault(key, {"values": {}, "detail": None})
            entry["values"][row["metric"]] = _one(row["value"], row["unit"])
            if row["metric"] == "ocr.exact":
                entry["detail"] = json.loads(row["detail"])
    prompts: dict[str, dict[str, Any]] = {}
    for number, (label, run) in enumerate(zip(labels, runs, strict=True)):
        for record in run.current():
            prompt = prompts.setdefault(record.prompt_id, {
                "id": record.prompt_id, "text": record.request.prompt, "category": record.category,
                "expected": list(record.expected_text), "cells": [[] for _ in labels],
            })  # fmt: skip
            found = scores.get((label, f"{record.prompt_id} {record.request.id}"), {"values": {}, "detail": None})
            words, kind = wording.status(record.status)
            picture: dict[str, Any] = {"seed": record.request.seed, "status": words, "kind": kind, "scores": found["values"]}
            picture["notes"] = _remarks(record, seeded=seeded)
            if record.status == "ok":
                picture |= _thumb(run.image_path(record), folder, f"thumbs/{number}")
            else:
                picture["error"] = record.error or ""
            if record.revised_prompt:
                picture["revised"] = record.revised_prompt
            if found["detail"]:
                picture["ocr"] = [_marked(r["expected"], r["read"]) for r in found["detail"]["regions"]]
            prompt["cells"][number].append(picture)
    return {"labels": labels, "prompts": list(prompts.values())}


def _remarks(record: ImageRecord, *, seeded: bool) -> list[str]:
    """What sets a picture apart from those beside it: no seed where others have one, another shape or size than asked for."""
    request, told = record.request, ["no seed"] if seeded and record.request.seed is None else []
    sent = f"{request.width} × {request.height}" if request.width and request.height else ""
    if "aspect" in request.settings:
        told.append(f"wanted {request.settings['aspect']}" + (f", asked for {sent}" if sent else ""))
    came = record.detail.get("size")
    if sent and came and list(came) != [request.width, request.height]:
        told.append(f"came as {came[0]} × {came[1]}" + ("" if "aspect" in request.settings else f", asked for {sent}"))
    return told


def _one(value: float, unit: str) -> str:
    """A single picture's score: a yes or no as 1 or 0, seconds with their unit."""
    if unit == "share" and value in {0.0, 1.0}:
        return f"{value:.0f}"
    return wording.number(value, unit) + (" s" if unit == "s" else "")


def _thumb(source: Path, folder: Path, below: str) -> dict[str, Any]:
    """A picture of at most 512 pixels beside the page, without metadata; small ones keep every pixel."""
    target = folder / below
    target.mkdir(parents=True, exist_ok=True)
    shown = decoding.thumbnail(source.read_bytes(), _EDGE)
    name = f"{source.stem}{shown.ending}"
    (target / name).write_bytes(shown.data)
    return {"src": f"{below}/{name}", "w": shown.width, "h": shown.height}


def _marked(expected: str, read: str) -> list[list[str]]:
    """Pieces of the expected text: "=" read, "-" missing, "+" read instead or besides; by word, or by letter for one word."""
    split = expected.split() if len(expected.split()) > 1 else list(expected)
    got = read.split() if len(expected.split()) > 1 else list(read)
    pieces: list[list[str]] = []
    glue = " " if len(expected.split()) > 1 else ""
    matcher = SequenceMatcher(None, [s.casefold() for s in split], [g.casefold() for g in got], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(["=", glue.join(got[j1:j2])])
        else:
            if i2 > i1:
                pieces.append(["-", glue.join(split[i1:i2])])
            if j2 > j1:
                pieces.append(["+", glue.join(got[j1:j2])])
    return pieces
