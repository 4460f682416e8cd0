"""The first screen and the plain tables of the page: frames to dictionaries of text, which the templates only lay out."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from bench.fingerprint import traits
from bench.report import wording
from bench.report.pairwise import UNLIKE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

ABOUT = {
    "human_preference": "people prefer it", "clip": "picture fits the prompt", "siglip2": "picture fits the prompt",
    "pickscore": "preference, predicted", "vqa": "a reader sees what was asked", "scene": "objects, colours and places as asked",
    "ocr": "text as asked", "ocr.exact": "text read exactly as asked", "ocr.recall": "words that were read", "ocr.ned": "letters alike",
    "ocr.cer": "wrong letters", "stray_text": "words nobody asked for", "fid": "distance to reference pictures",
    "fd": "distance to reference pictures", "kid": "distance to reference pictures", "cmmd": "distance to reference pictures",
    "prdc": "overlap with reference pictures", "diversity": "seeds come out unlike", "duplicates": "pictures that repeat",
    "refusals": "prompts declined", "refused": "prompts declined", "latency": "seconds a picture",
    "latency.p50": "median seconds a picture", "latency.p90": "nine of ten are faster", "images_per_s": "pictures a second",
}  # fmt: skip
"""What a metric says, in a few words; a longer name takes the words of the one it begins with."""
SETS = ("fid", "kid", "fd_", "cmmd", "prdc", "diversity", "duplicates")
"""How metrics begin that speak of a whole set of pictures."""


def about(metric: str) -> str:
    """What ``metric`` says, "" where nobody wrote it down.

    >>> about("clip_b32"), about("ocr.exact"), about("colour_harmony")
    ('picture fits the prompt', 'text read exactly as asked', '')
    """
    family = metric.partition("_")[0]
    return ABOUT.get(metric) or ("" if "." in metric else ABOUT.get(family, ""))


def signed(value: float, unit: str) -> str:
    """A number with its sign.

    >>> signed(-0.0123, "share"), signed(2.0, "s")
    ('−0.012', '+2.00')
    """
    text = wording.number(abs(value), unit)
    return text if text == "–" or float(text) == 0 else f"{'−' if value < 0 else '+'}{text}"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the frame ``summary`` as a cell: ``known`` or the ``reason``, ``mean``, ``interval``, ``n`` and what to add."""
    known = row["mean"] == row["mean"]
    low, high = (wording.number(row[k], row["unit"]) for k in ("low", "high"))
    return {
        "known": known, "mean": wording.number(row["mean"], row["unit"]), "interval": f"{low} to {high}" if low != "–" else "",
        "n": f"n\u00a0{row['n']:,}" if known else "", "best": bool(row["best"]),
        "coverage": f"{100 * row['coverage']:.0f} % scored" if row["coverage"] < 1 else "",
        "refused": "" if math.isnan(row["mean_all"]) else f"{wording.number(row['mean_all'], row['unit'])} with refusals",
        "reason": "" if known else wording.text(row["reason"]) or _absent(row),
    }  # fmt: skip


def _absent(row: Mapping[str, Any]) -> str:
    if not row["not_applicable"]:
        return ""
    return f"all {row['refused']} refused" if row["refused"] == row["not_applicable"] else "does not apply"


def rows(summary: pd.DataFrame, labels: Sequence[str], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """A row a metric with a cell a run, None where a run lacks it; an n that all share stands at the row's head."""
    held = {(r["metric"], r["run"]): r for r in records(summary)}
    made = []
    for metric in metrics:
        mine = [held.get((metric, run)) for run in labels]
        first = next(row for row in mine if row is not None)
        cells = [row and told(row) for row in mine]
        counts = {cell["n"] for cell in cells if cell and cell["known"]}
        shared = len(counts) == 1 and not any(cell and cell["coverage"] for cell in cells)
        if shared:
            cells = [cell and cell | {"n": ""} for cell in cells]
        made.append({
            "metric": metric, "about": about(metric), "unit": first["unit"], "arrow": wording.arrow(higher=first["higher_is_better"]),
            "n": counts.pop() if shared else "", "cells": cells,
        })  # fmt: skip
    return made


def first_table(tables: dict[str, pd.DataFrame], labels: Sequence[str]) -> dict[str, Any]:
    """Models by metrics: the headline in ``front``, ``rest`` for the others, ``pictures``, ``costs`` and ``notes`` on both parts.

    ``declined``: some means count refusals too.
    """
    summary = tables["summary"]
    front = wording.headline(summary)
    rest = [m for m in dict.fromkeys(summary["metric"]) if m not in front]
    notes = [sorted(set(summary.loc[summary["metric"].isin(which), "note"].dropna())) for which in (front, rest)]
    status = {str(run): group["status"] for run, group in tables["images"].groupby("run", sort=False)}
    short = wording.covered(tables)
    return {
        "front": rows(summary, labels, front),
        "rest": rows(summary, labels, rest),
        "declined": bool(summary["mean_all"].notna().any()),
        "pictures": [{"counts": wording.counted(status.get(run, [])), "covered": short.get(run, "")} for run in labels],
        "costs": _cost_rows(wording.money(tables), labels),
        "notes": {"front": notes[0], "rest": [note for note in notes[1] if note not in notes[0]]},
    }


def _cost_rows(money: dict[str, dict[str, Any]], labels: Sequence[str]) -> list[dict[str, Any]]:
    runs = [money[label] for label in labels]
    spent = [wording.usd(row["usd"] + row["presumed_usd"]) for row in runs]
    beside = {"per_picture": [wording.price_range(row) for row in runs], "per_success": [f"{total} in all" for total in spent]}
    nothing = all(row[column] != row[column] for row in runs for column in wording.COSTS)
    return [
        {"name": "cost" if nothing else name, "cells": [
            {"text": wording.usd(row[column]), "known": row[column] == row[column], "about": also, "why": row["reason"]}
            for row, also in zip(runs, beside[column], strict=True)
        ]}
        for column, name in list(wording.COSTS.items())[: 1 if nothing else None]
    ]  # fmt: skip


def cost(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The frame ``cost`` in words, a row a run, and each run's money in a sentence."""
    money = wording.money(tables)
    return {
        "rows": [
            {
                "run": run, "made": row["ok"], "declined": row["refused"], "failed": row["failed"], "usd": wording.usd(row["usd"]),
                "presumed": wording.usd(row["presumed_usd"]), "unknown": row["unknown"], "picture": wording.usd(row["per_picture"]),
                "range": wording.price_range(row), "success": wording.usd(row["per_success"]), "basis": row["basis"],
                "as_of": wording.text(row["as_of"]), "reason": row["reason"] if row["reason"] != row["basis"] else "",
            }
            for run, row in money.items()
        ],
        "said": _together([(str(run), wording.spending(row).removeprefix(f"{run}: ")) for run, row in money.items()]),
        "known": any(row["usd"] == row["usd"] for row in money.values()),
    }  # fmt: skip


def _together(lines: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for all runs of which it holds."""
    said = list(dict.fromkeys(text for _, text in lines))
    return [f"{', '.join(run for run, told in lines if told == text)}: {text}" for text in said]


def sets(tables: dict[str, pd.DataFrame], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Metrics of whole sets: as ``rows``, each cell with the ``reference`` it was measured against and its ``notes``."""
    summary, scores = tables["summary"], tables["scores"]
    metrics = [m for m in dict.fromkeys(summary["metric"]) if m.startswith(SETS)]
    whole = scores[scores["request_id"].isna() & scores["metric"].isin(metrics)]
    details = {(row["metric"], row["run"]): json.loads(row["detail"]) for row in records(whole)}
    made = rows(summary, labels, metrics)
    for row in made:
        for run, cell in zip(labels, row["cells"], strict=True):
            if cell:
                detail = details.get((row["metric"], run), {})
                cell["reference"] = f"{detail['reference_n']:,}" if detail.get("reference_n") else ""
        row["notes"] = list(dict.fromkeys(d["note"] for (metric, _), d in details.items() if metric == row["metric"] and "note" in d))
    return made


def apart(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """What was not compared and why: for each pair of runs and reason the metrics."""
    pairs = tables["pairwise"]
    unlike = pairs[pairs["verdict"] == UNLIKE]
    return [
        {"a": a, "b": b, "reason": reason, "metrics": ", ".join(dict.fromkeys(group["metric"]))}
        for (a, b, reason), group in unlike.groupby(["a", "b", "reason"], sort=False)
    ]


def unscored(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Gaps, with the metrics of one run that share a count and a reason together."""
    missing = tables["summary"][tables["summary"]["unscored"] > 0].fillna({"reason": ""})
    return [
        {"run": run, "count": count, "reason": reason, "metrics": ", ".join(group["metric"])}
        for (run, count, reason), group in missing.groupby(["run", "unscored", "reason"], sort=False)
    ]


def environments(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """The frame ``environment``, runs that share a machine together."""
    table = tables["environment"].fillna("").astype(object)
    columns = [str(c) for c in table if c not in {"run", "environment"}]
    return [
        {**dict(zip(columns, key, strict=True)), "runs": list(dict.fromkeys(group["run"]))}
        for key, group in table.groupby(columns, sort=False, dropna=False)
    ]  # fmt: skip


def fingerprints(tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """What each number depends on: metrics with one fingerprint together, its fields as pairs."""
    marks = tables["summary"].drop_duplicates(["metric", "fingerprint"])
    return [
        {"metrics": ", ".join(dict.fromkeys(group["metric"])), "fields": list(traits(str(text)).items())}
        for text, group in marks.groupby("fingerprint", sort=False)
    ]
