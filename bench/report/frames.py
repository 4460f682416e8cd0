"""Runs as named pandas frames: the one source of every table and picture of a report.

``images``: a row a picture. ``scores``: long form, a row a score. ``summary``: a row a run and metric. ``latency``: a
row a run. ``environment``: a row a run and machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import schema, stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.store import Run

_ORDER = ("clip", "siglip", "ocr.exact", "ocr.word_accuracy", "ocr.ned", "ocr.cer", "fid", "fd_", "latency.p50", "latency.p90",
          "latency.p99", "latency.mean", "images_per_s", "steps_per_s", "load_s", "peak_memory", "latency")  # fmt: skip
TIMED = ("latency", "images_per_s", "steps_per_s", "load_s", "peak_memory")
"""Columns that depend on the machine."""
_PACE = dict.fromkeys(("latency.p50", "latency.p90", "latency.mean", "images_per_s"), "latency")
"""The column of single pictures behind a figure of the whole run."""


def frames(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """All frames of ``runs``, in the order given."""
    labels = _labels(runs)
    infos = {label: run.info() for label, run in labels.items()}
    images = pd.concat([_images(label, run) for label, run in labels.items()], ignore_index=True)
    scores = pd.concat([_scores(label, run) for label, run in labels.items()], ignore_index=True)
    summary = _summary(scores, infos)
    summary["ceiling"] = [bool(infos[run].get("ceiling")) for run in summary["run"]]
    summary["best"], summary["behind"] = _order(summary, scores, infos)
    return {
        "images": images,
        "scores": scores,
        "summary": summary,
        "latency": _latency(summary),
        "environment": _environment(infos),
    }


def _labels(runs: Sequence[Run]) -> dict[str, Run]:
    """Short names, told apart by their settings where two runs share a label."""
    short = [str(run.info().get("label") or run.name) for run in runs]
    return {s if short.count(s) == 1 else run.name: run for s, run in zip(short, runs, strict=True)}


def _images(label: str, run: Run) -> pd.DataFrame:
    rows = []
    for record in run.current():
        row = schema.record_to_json(record)
        row["settings"], row["detail"] = json.dumps(row["settings"]), json.dumps(row["detail"])
        rows.append({"run": label, **row})
    table = pd.DataFrame(rows, columns=["run", *schema.record_columns()])
    numbers = ["latency_s", "encode_s", "denoise_s", "decode_s", "cost_usd"]
    table[numbers] = table[numbers].astype(float)
    return table


def _scores(label: str, run: Run) -> pd.DataFrame:
    current = {r.key for r in run.current()}
    rows = [s for s in run.scores() if s.request_id is None or (s.prompt_id, s.request_id) in current]
    columns = [
        "metric",
        "fingerprint",
        "value",
        "status",
        "unit",
        "higher_is_better",
        "request_id",
        "prompt_id",
        "seed",
        "reason",
        "detail",
    ]
    table = pd.DataFrame([{c: getattr(s, c) for c in columns} for s in rows], columns=columns)
    table["detail"] = [json.dumps(dict(d), ensure_ascii=False) for d in table["detail"]]
    table.insert(0, "run", label)
    return table


def _rank(metric: str) -> tuple[int, str]:
    return next(
        (i for i, head in enumerate(_ORDER) if metric == head or (metric.startswith(head) and head != "latency")), len(_ORDER)
    ), metric


def _summary(scores: pd.DataFrame, infos: dict[str, dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for (run, metric, fingerprint), group in scores.groupby(["run", "metric", "fingerprint"], sort=False):
        ok = group[group["status"] == "ok"]
        whole = group["request_id"].isna().all()
        wanted = 1 if whole else int((group["status"] != "not_applicable").sum())
        mean, low, high = float("nan"), float("nan"), float("nan")
        if len(ok):
            mean, low, high = (
                (ok["value"].iloc[0], low, high) if whole else stats.cluster_mean(ok["value"].to_numpy(), ok["prompt_id"].to_numpy())
            )
        detail = json.loads(ok["detail"].iloc[0]) if len(ok) else {}
        reasons = group.loc[group["status"] == "unscored", "reason"].dropna()
        rows.append({
            "run": run, "metric": metric, "fingerprint": fingerprint, "mean": float(mean), "low": low, "high": high,
            "n": int(detail.get("n", len(ok))) if whole else len(ok), "coverage": len(ok) / wanted if wanted else float("nan"),
            "unscored": int((group["status"] == "unscored").sum()), "not_applicable": int((group["status"] == "not_applicable").sum()),
            "unit": group["unit"].iloc[0], "higher_is_better": bool(group["higher_is_better"].iloc[0]),
            "reason": reasons.iloc[0] if len(reasons) else None, "environment": detail.get("environment"), "note": detail.get("note"),
        })  # fmt: skip
    columns = ["run", "metric", "fingerprint", "mean", "low", "high", "n", "coverage", "unscored", "not_applicable", "unit",
               "higher_is_better", "reason", "environment", "note"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    order = {run: i for i, run in enumerate(infos)}
    table = table.iloc[sorted(range(len(table)), key=lambda i: (_rank(table["metric"].iloc[i]), order[table["run"].iloc[i]]))]
    return table.reset_index(drop=True)


def _order(table: pd.DataFrame, scores: pd.DataFrame, infos: dict[str, dict[str, Any]]) -> tuple[list[bool], list[bool]]:
    """Which rows are shown to be the best of their metric, and which are shown to be behind its top mean: see ``_ahead``.

    Only runs that can be compared are: one fingerprint and, for what depends on the machine, one environment and no mix
    of hosted and local. A run that serves as ceiling is never best.
    """
    best, behind = np.zeros((2, len(table)), dtype=bool)
    for metric, group in table.groupby("metric", sort=False):
        rivals = group[~group["ceiling"] & group["mean"].notna()]
        same = rivals["fingerprint"].nunique() == 1
        if str(metric).startswith(TIMED):
            same &= rivals["environment"].nunique() == 1 and len({bool(infos[r].get("hosted")) for r in rivals["run"]}) == 1
        if len(rivals) < 2 or not same or rivals["n"].min() == 0:
            continue
        order = rivals.sort_values("mean", ascending=not rivals["higher_is_better"].iloc[0])
        for index in order.index[1:]:
            behind[index] = _ahead(scores, _PACE.get(str(metric), str(metric)), order["run"].iloc[0], order["run"][index])
        best[order.index[0]] = behind[order.index[1]]
    return best.tolist(), behind.tolist()


def _ahead(scores: pd.DataFrame, metric: str, first: str, second: str) -> bool:
    """Whether the 95 % interval of the paired difference, prompt by prompt, leaves out zero; False without pairs."""
    fit = scores[(scores["metric"] == metric) & (scores["status"] == "ok") & scores["prompt_id"].notna()]
    means = fit.pivot_table(index="prompt_id", columns="run", values="value")
    if first not in means or second not in means:
        return False
    gap = (means[first] - means[second]).dropna()
    _, low, high = stats.cluster_mean(gap.to_numpy(), gap.index.to_numpy()) if len(gap) else (0.0, 0.0, 0.0)
    return bool(low > 0 or high < 0)


def _latency(summary: pd.DataFrame) -> pd.DataFrame:
    timed = summary[summary["metric"].str.startswith(TIMED) & (summary["metric"] != "latency")]
    wide = timed.pivot_table(index="run", columns="metric", values="mean", sort=False)
    return wide.reindex(columns=[m for m in dict.fromkeys(timed["metric"]) if m in wide]).reset_index()


def _environment(infos: dict[str, dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for run, info in infos.items():
        for key, facts in info.get("environments", {}).items():
            packages = facts.get("packages", {})
            rows.append({
                "run": run, "environment": key, "device": info.get("session", {}).get("device", ""), "cpu": facts.get("cpu"),
                "cores": facts.get("cores"), "memory_gib": facts.get("memory_gib"), "gpu": "; ".join(facts.get("gpu", [])),
                "system": facts.get("system"), "python": facts.get("python"), "commit": facts.get("commit"),
                "packages": ", ".join(f"{k} {v}" for k, v in packages.items()),
            })  # fmt: skip
    return pd.DataFrame(
        rows, columns=["run", "environment", "device", "cpu", "cores", "memory_gib", "gpu", "system", "python", "commit", "packages"]
    )
