"""One row a run and metric: mean, interval, n, coverage, and which run is shown to be best."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = ("run", "metric", "fingerprint", "mean", "low", "high", "n", "coverage", "refused", "mean_all", "unscored", "not_applicable",
           "unit", "higher_is_better", "reason", "environment", "note", "ceiling")  # fmt: skip
TIMED = ("latency", "images_per_s", "steps_per_s", "load_s", "peak_", "energy_j", "attempts")
"""Columns that depend on the machine."""
_ORDER = ("clip", "siglip", "pickscore", "vqa", "scene", "ocr", "stray_text", "fid", "fd_", "kid", "cmmd", "prdc", "diversity",
          "duplicates", "latency.p50", "latency.p90", "latency.p95", "latency.p99", "latency.mean", "latency.", "images_per_s",
          "steps_per_s", "load_s", "peak_", "energy_j", "latency")  # fmt: skip
_MICRO = (".longtext", ".oneig_wac")
"""Columns whose authors average over all words of the set, not over pictures: sum of hits / sum of words asked for."""
_PACE = dict.fromkeys(("latency.p50", "latency.p90", "latency.mean", "images_per_s"), "latency")
"""The column of single pictures behind a figure of the whole run."""


def summarise(scores: pd.DataFrame, infos: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The summary of long-form ``scores``; metrics that apply to nothing in any run are left out.

    ``mean`` is over scored pictures, seeds of a prompt first; ``n`` of them, ``coverage`` of those the metric applies to.
    ``mean_all`` also counts every refused picture at the metric's worst value, NaN where it has none or nothing was
    refused.
    """
    rows = [_row(str(run), str(metric), group) for (run, metric), group in scores.groupby(["run", "metric"], sort=False)]
    applies = {r["metric"] for r in rows if r["n"] or r["unscored"]}
    if "latency.mean" in applies:
        applies.discard("latency")  # the same mean once more
    rows = [{**r, "ceiling": bool(infos[r["run"]].get("ceiling"))} for r in rows if r["metric"] in applies]
    order = {run: i for i, run in enumerate(infos)}
    first = list(dict.fromkeys(r["metric"] for r in rows))
    rows.sort(key=lambda r: (_rank(r["metric"]), first.index(r["metric"]), order[r["run"]]))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["best"], table["behind"], table["compared"] = _order(table, scores, infos)
    return table


def _row(run: str, metric: str, group: pd.DataFrame) -> dict[str, Any]:
    ok = group[group["status"] == "ok"]
    whole = bool(group["request_id"].isna().all())
    refused = group[(group["status"] == "not_applicable") & group["reason"].fillna("").str.startswith("refused: ")]
    unscored = group[group["status"] == "unscored"]
    detail = json.loads(ok["detail"].iloc[0]) if len(ok) else {}
    mean, low, high = math.nan, math.nan, math.nan
    if whole and len(ok):
        mean, low, high = float(ok["value"].iloc[0]), _number(detail.get("low")), _number(detail.get("high"))
    elif len(ok) and metric.endswith(_MICRO):
        parts = [json.loads(d) for d in ok["detail"]]
        hits, asked = (np.array([p[key] for p in parts], dtype=float) for key in ("hits", "asked"))
        mean, low, high = stats.cluster_ratio(hits, asked, ok["prompt_id"].to_numpy())
    elif len(ok):
        mean, low, high = stats.cluster_mean(ok["value"].to_numpy(), ok["prompt_id"].to_numpy())
    said = [json.loads(d).get("note") for d in group["detail"]] if whole else []
    first = (ok if len(ok) else group).iloc[0]
    return {
        "run": run, "metric": metric, "fingerprint": first["fingerprint"], "mean": mean, "low": low, "high": high,
        "n": int(detail.get("n", len(ok))) if whole else len(ok),
        "coverage": len(ok) / (len(ok) + len(unscored)) if len(ok) + len(unscored) else math.nan,
        "refused": len(refused), "mean_all": _with_refused(ok, refused), "unscored": len(unscored),
        "not_applicable": int((group["status"] == "not_applicable").sum()), "unit": first["unit"],
        "higher_is_better": first["higher_is_better"], "reason": next(iter(unscored["reason"].dropna()), None),
        "environment": detail.get("environment"), "note": next((s for s in said if s), None),
    }  # fmt: skip


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _with_refused(ok: pd.DataFrame, refused: pd.DataFrame) -> float:
    """Mean over prompts with refused pictures at the worst value."""
    worst = refused["worst"].dropna()
    if not len(worst):
        return math.nan
    values = np.concatenate([ok["value"].to_numpy(float), np.full(len(refused), worst.iloc[0])])
    prompts = np.concatenate([ok["prompt_id"].to_numpy(), refused["prompt_id"].to_numpy()])
    return stats.cluster_mean(values, prompts).value


def _rank(metric: str) -> int:
    return next((i for i, head in enumerate(_ORDER) if metric == head or (metric.startswith(head) and head != "latency")), len(_ORDER))


def _order(table: pd.DataFrame, scores: pd.DataFrame, infos: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    """Which rows are shown to be the best of their metric, which to be behind its top mean (see ``_ahead``), and which were compared.

    Only runs that can be compared are: for what depends on the machine, one environment and no mix of hosted and local.
    A run that serves as ceiling is never best, and a metric without a better end has no best.
    """
    best, behind, compared = marks = np.zeros((3, len(table)), dtype=bool)
    for metric, group in table.groupby("metric", sort=False):
        rivals = group[~group["ceiling"].astype(bool) & group["mean"].notna()]
        same = group["higher_is_better"].notna().all()
        if str(metric).startswith(TIMED):
            same &= rivals["environment"].nunique() == 1 and len({bool(infos[r].get("hosted")) for r in rivals["run"]}) == 1
        if len(rivals) < 2 or not same or rivals["n"].min() == 0:
            continue
        order = rivals.sort_values("mean", ascending=not rivals["higher_is_better"].iloc[0])
        found = [_ahead(scores, _PACE.get(str(metric), str(metric)), order["run"].iloc[0], run) for run in order["run"].iloc[1:]]
        behind[order.index[1:]] = [bool(one) for one in found]
        compared[order.index] = None not in found
        best[order.index[0]] = behind[order.index[1]]
    return marks


def _ahead(scores: pd.DataFrame, metric: str, first: str, second: str) -> bool | None:
    """Whether the 95 % interval of the paired difference, prompt by prompt, leaves out zero; None without a prompt in common.

    Seeds of a prompt are averaged first, so a run without seeds pairs with one that has several.
    """
    fit = scores[(scores["metric"] == metric) & (scores["status"] == "ok") & scores["prompt_id"].notna()]
    means = fit.pivot_table(index="prompt_id", columns="run", values="value")
    if first not in means or second not in means:
        return False
    gap = (means[first] - means[second]).dropna()
    if gap.empty:
        return None
    _, low, high = stats.cluster_mean(gap.to_numpy(), gap.index.to_numpy())
    return bool(low > 0 or high < 0)
