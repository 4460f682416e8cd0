"""``gate``: pass or fail a candidate against a baseline, for a CI."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.errors import ConfigError
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from bench.analysis.drops import GateRun
    from bench.analysis.gate import GateFinding

JSON_VERSION = 1
"""Raised whenever a key of the JSON changes its meaning or goes; new keys may come."""
_STYLES = {"pass": "green", "regression": "bold red", "cannot tell": "yellow"}
_CONCLUSIONS = {
    "pass": "pass: every change for the worse is within its margin",
    "regression": "regression: the candidate is worse by more than was allowed",
    "cannot tell": "cannot tell",
}
_EPILOG = """Margins are in the metric's unit or in % of the baseline: --max-drop scene=0.05, --max-drop clip.score100=0.5,
--max-drop clip=2%, --max-drop fid=1.5 (lower is better: it must not rise by more). Judged by the 95 % interval of the
change over the prompts both runs have. Exit codes: 0 pass; 1 regression; 3 cannot tell; 2 the request cannot be carried
out as given."""


def main(argv: Sequence[str]) -> int:
    """Judge every limit; 0 where all pass, 1 with a regression, 3 where the gate cannot tell."""
    args = _parser().parse_args(argv)
    from bench.analysis.drops import GateRun  # noqa: PLC0415 - slow import
    from bench.analysis.gate import EXIT_CODES, judge, overall  # noqa: PLC0415 - slow import
    from bench.analysis.limits import parse, share  # noqa: PLC0415 - slow import

    limits, coverage = parse(args.max_drop, args.max_slowdown), share(args.min_coverage)
    store = Store(args.results)
    baseline, candidate = [GateRun.read(store.find(name), limits) for name in (args.baseline, args.candidate)]
    findings = judge(baseline, candidate, limits, coverage=coverage)
    code = EXIT_CODES[overall(findings)]
    if args.json is not None:
        text = json.dumps(document(baseline, candidate, findings), indent=2, allow_nan=False) + "\n"
        if args.json == "-":
            sys.stdout.write(text)
            return code
        _write(options.path(args.json), text)
    sys.stdout.write(_shown(baseline, candidate, findings))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench gate", description="Pass or fail a candidate against a baseline.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("baseline", metavar="BASELINE", help="a run's folder, name or label")
    parser.add_argument("candidate", metavar="CANDIDATE", help="the run that must not be worse")
    parser.add_argument(
        "--max-drop", action="append", default=[], metavar="METRIC=MARGIN", help="how much worse a metric may get; may be repeated"
    )
    parser.add_argument(
        "--max-slowdown", action="append", default=[], metavar="FIGURE=MARGIN",
        help="how much slower p50, p90, p95, p99 or mean of the latency may get, in %% or seconds; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--min-coverage", default="90%", metavar="SHARE",
        help="a pass needs scores of this share of the prompts that both runs were asked (default: 90%%)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - writes it to standard output instead of the text")
    options.add_results(parser)
    return parser


def document(baseline: GateRun, candidate: GateRun, findings: Sequence[GateFinding]) -> dict[str, Any]:
    """The result as plain data for JSON, as ``docs/gate.md`` describes it; a number that does not exist is None."""
    from bench.analysis.gate import EXIT_CODES, overall  # noqa: PLC0415 - slow import

    verdict = overall(findings)
    return {
        "schema_version": JSON_VERSION, "verdict": verdict, "exit_code": EXIT_CODES[verdict],
        **{role: {"run": run.name, "path": run.path} for role, run in (("baseline", baseline), ("candidate", candidate))},
        "limits": [_plain(finding) for finding in findings],
    }  # fmt: skip


def _plain(finding: GateFinding) -> dict[str, Any]:
    limit, drop = finding.limit, finding.drop
    return {
        "limit": str(limit), "metric": limit.metric, "margin": limit.margin, "relative": limit.relative,
        "verdict": finding.verdict, "unit": finding.unit, "baseline": _number(finding.baseline), "candidate": _number(finding.candidate),
        "drop": _number(drop.value), "low": _number(drop.low), "high": _number(drop.high), "allowed": _number(finding.allowed),
        "prompts": finding.prompts, "coverage": _number(finding.coverage),
        "unchanged_prompts": _count(finding.unchanged), "more_prompts": _count(finding.more), "by": list(finding.by),
        "reason": finding.reason, "note": finding.note,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _count(prompts: float) -> int | None:
    return math.ceil(prompts) if math.isfinite(prompts) else None


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}; choose another file with --json") from error


def _shown(baseline: GateRun, candidate: GateRun, findings: Sequence[GateFinding]) -> str:
    from rich.text import Text  # noqa: PLC0415 - slow import

    from bench.analysis.gate import overall  # noqa: PLC0415 - slow import
    from bench.core import terminal  # noqa: PLC0415 - slow import

    console = terminal.console()
    verdict = overall(findings)
    with console.capture() as shown:
        console.print(Text(f"baseline   {baseline.path}\ncandidate  {candidate.path}"), soft_wrap=True)
        console.print(_table(findings))
        for finding in findings:
            for line in (sentence(finding), finding.note and f"{finding.limit}: warning: {finding.note}"):
                if line:
                    console.print(Text(line), soft_wrap=True)
        console.print(Text(_CONCLUSIONS[verdict], style=_STYLES[verdict]))
    return shown.get()


def _table(findings: Sequence[GateFinding]) -> Table:
    from rich import box  # noqa: PLC0415 - slow import
    from rich.table import Table  # noqa: PLC0415 - slow import
    from rich.text import Text  # noqa: PLC0415 - slow import

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("limit", overflow="fold")
    for name in ("baseline", "candidate", "worse by [95 %]", "allowed", "prompts"):
        table.add_column(name, justify="right")
    table.add_column("verdict", no_wrap=True)
    for finding in findings:
        numbers = [_amount(value, finding) for value in (finding.baseline, finding.candidate)]
        table.add_row(
            str(finding.limit), *numbers, _interval(finding), _allowed(finding), str(finding.prompts or "–"),
            Text(finding.verdict, style=_STYLES[finding.verdict]),
        )  # fmt: skip
    return table


def _amount(value: float, finding: GateFinding) -> str:
    from bench.report import wording  # noqa: PLC0415 - slow import

    return f"{wording.number(value, finding.unit)}{' s' if finding.unit == 's' and not math.isnan(value) else ''}"


def _allowed(finding: GateFinding) -> str:
    return f"{100 * finding.limit.margin:g} %" if finding.limit.relative else _amount(finding.limit.margin, finding)


def _interval(finding: GateFinding) -> str:
    """The drop with its interval, in % where the limit is in %."""
    drop = finding.drop
    if math.isnan(drop.value):
        return "–"
    if finding.limit.relative and finding.baseline:
        value, low, high = (100 * part / abs(finding.baseline) for part in drop)
        amount, ends = f"{value:.1f} %", f"{low:.1f}, {high:.1f}"
    else:
        amount, ends = _amount(drop.value, finding), f"{_amount(drop.low, finding)}, {_amount(drop.high, finding)}"
    return amount if math.isnan(drop.low) else f"{amount} [{ends}]"


def sentence(finding: GateFinding) -> str:
    """Why the gate cannot tell about a limit and what would settle it, or which prompts failed it; "" where there is nothing to say."""
    from bench.report.wording import listed, rounded  # noqa: PLC0415 - slow import

    by = f"{listed(finding.by)} {'makes' if len(finding.by) == 1 else 'make'} most of the difference" if finding.by else ""
    if finding.verdict != "cannot tell":
        return f"{finding.limit}: {by}" if by else ""
    why = finding.reason or f"the interval reaches across the margin with {finding.prompts} prompts"
    parts = [why]
    if not math.isnan(finding.unchanged):
        parts.append(f"a candidate that is no worse passes four times in five with {rounded(finding.unchanged)} prompts")
    if math.isinf(finding.more):
        parts.append("this drop lies at the margin itself, which no number of prompts settles")
    elif not math.isnan(finding.more):
        parts.append(f"about {rounded(finding.more)} more would settle this one, if the drop seen is the true one")
    return f"{finding.limit}: {'; '.join(filter(None, [*parts, by]))}"
