"""Text in pictures: what was asked for against what was read, model by model."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from bench.metrics.text import matching
from bench.report import cells, wording
from bench.report.text_diff import diff_marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Text", 80

WORST = 60
"""Prompts shown."""
_MISSED = 8
"""Words named for each model."""


class Read(NamedTuple):
    """A picture's words: counts, the words asked for and not read, and for each region what joins its pieces and the pieces."""

    missing: int
    added: int
    changed: int
    missed: tuple[str, ...]
    regions: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """The section on text; None where nothing was read.

    ``models``: a row a run of what it got right and which words it missed most. ``worst``: up to ``WORST`` prompts, those
    that most models failed first, each with the text of its worst picture of each run. ``failed``: how many prompts had
    a picture with a fault.
    """
    scores = tables["scores"]
    pictures = scores[scores["request_id"].notna() & (scores["status"] == "ok")]
    exact = pictures[pictures["metric"] == "ocr.exact"]
    if exact.empty:
        return None
    keys = ["run", "prompt_id", "request_id"]
    wrong = pictures[pictures["metric"] == "ocr.cer"].drop_duplicates(keys).set_index(keys)["value"]
    table = exact[[*keys, "value", "detail"]].reset_index(drop=True)
    table["cer"] = wrong.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy(float)
    read = [_read(detail) for detail in table["detail"]]
    for name in ("missing", "added", "changed"):
        table[name] = [getattr(picture, name) for picture in read]
    missed = {run: Counter(word for i in group.index for word in read[i].missed) for run, group in table.groupby("run", sort=False)}
    rates = {row["run"]: row for row in cells.records(tables["summary"]) if row["metric"] == "ocr.exact"}
    models = [_model(rates[run], table[table["run"] == run], missed[run]) for run in labels if run in missed]
    failed = table.loc[table["value"] < 1, "prompt_id"].nunique()
    return {"models": models, "worst": _worst(table, read, tables["images"], [m["run"] for m in models]), "failed": failed}


@lru_cache(maxsize=8192)
def _read(detail: str) -> Read:
    """The words of a picture from its stored detail; where that lists no words they are matched anew."""
    regions = json.loads(detail).get("regions", ())
    lists = [r if "missing" in r else asdict(matching.match(r["expected"], r["read"])) for r in regions]
    missing = [word for r in lists for word in r["missing"]]
    changed = [word for r in lists for word, _ in r["changed"]]
    pieces = tuple(
        (" " if len(r["expected"].split()) > 1 else "", tuple((kind, text) for kind, text in diff_marks(r["expected"], r["read"])))
        for r in regions
    )
    return Read(len(missing), sum(len(r["added"]) for r in lists), len(changed), (*missing, *changed), pieces)


def _model(row: Mapping[str, Any], table: pd.DataFrame, missed: Counter[str]) -> dict[str, Any]:
    cer = table["cer"].groupby(table["prompt_id"]).mean().mean()
    return {
        "run": row["run"], "pictures": f"{len(table):,}", "exact": f"{100 * row['mean']:.0f} %",
        "interval": "" if math.isnan(row["low"]) else f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %",
        "cer": wording.number(float(cer), "edits/char"),
        **{name: f"{int(table[name].sum()):,}" for name in ("missing", "added", "changed")},
        "missed": missed.most_common(_MISSED),
    }  # fmt: skip


def _worst(table: pd.DataFrame, read: Sequence[Read], images: pd.DataFrame, runs: Sequence[str]) -> list[dict[str, Any]]:
    """The prompts with the fewest exact pictures, then the most letters wrong."""
    by_prompt = table.groupby("prompt_id", sort=False).agg(exact=("value", "mean"), cer=("cer", "mean"))
    ranked = by_prompt[by_prompt["exact"] < 1].sort_values(["exact", "cer"], ascending=[True, False], kind="stable").head(WORST)
    prompts = images[images["prompt_id"].isin(ranked.index)].drop_duplicates("prompt_id").set_index("prompt_id")
    shown = table[table["prompt_id"].isin(ranked.index)].sort_values(["value", "cer"], ascending=[True, False], kind="stable")
    grid = {
        key: {"regions": read[group.index[0]].regions, "exact": int((group["value"] == 1).sum()), "of": len(group)}
        for key, group in shown.groupby(["prompt_id", "run"], sort=False)
    }
    return [
        {
            "id": prompt, "prompt": prompts.loc[prompt, "prompt"], "expected": list(prompts.loc[prompt, "expected_text"]),
            "cells": [grid.get((prompt, run)) for run in runs],
        }
        for prompt in ranked.index
    ]  # fmt: skip
