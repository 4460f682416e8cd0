"""The answer in words: which model leads in quality, in speed and in price, by how much, and what is not settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.analysis.pairwise import BETTER, FEW, LEVEL, UNLIKE, WORSE
from bench.report import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from bench.analysis.frames import Frames

_UNSETTLED = 3
_CENT = 0.01
"""Below so many dollars a picture, money is told by the thousand."""
_HOPELESS = 20
"""More prompts than so many times those there are will not be gathered."""


class Answer(NamedTuple):
    """``answer``: a paragraph of two to four sentences; ``points``: what else a reader must know, a sentence each."""

    answer: str
    points: tuple[str, ...]


def verdict(tables: Frames) -> Answer:
    """Say what the frames show, and only that: a model leads where its difference to every rival is shown."""
    summary, pairs = tables["summary"], tables["pairwise"]
    rivals = [run for run in dict.fromkeys(tables["images"]["run"]) if run not in set(summary.loc[summary["ceiling"].astype(bool), "run"])]
    scope = _scope(tables)
    if len(rivals) < 2:
        return Answer(scope, tuple(_caveats(tables)))
    weighed, timed = (pairs["metric"].isin(chosen(pairs["metric"])) for chosen in (tables.cards.weighed, tables.cards.timed))
    quality, others = pairs[weighed], pairs[~weighed & ~timed]
    said = [_quality(quality, others, rivals), _speed(pairs, summary, rivals), _price(tables, rivals)]
    return Answer(" ".join(filter(None, said)), (scope, *_caveats(tables), *_elsewhere(quality, others, rivals), *_unsettled(quality)))


def listed(names: Sequence[str]) -> str:
    """Names as a list in words.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _scope(tables: Frames) -> str:
    images = tables["images"]
    runs, prompts = images["run"].nunique(), images["prompt_id"].nunique()
    made = int((images["status"] == "ok").sum())
    missing = "".join(f", {n} {words}" for n, words, kind in wording.counted(images["status"]) if kind != "ok")
    return f"{runs} model{'s' if runs != 1 else ''}, {prompts:,} prompts, {made:,} pictures{missing}."


def _caveats(tables: Frames) -> list[str]:
    """Prompts that not every model was asked, and who declined."""
    short = [f"{run} {share}" for run, share in wording.covered(tables).items() if share]
    told = [f"Not every model has every prompt: {'; '.join(short)}. Differences count shared prompts only."] if short else []
    groups = tables["images"].groupby("run", sort=False)["status"]
    refused = [f"{run} refused {n:,} of {len(group):,} pictures" for run, group in groups if (n := int((group == "refused").sum()))]
    return [*told, f"{listed(refused)}; means are over the others."] if refused else told


def _against(pairs: pd.DataFrame, run: str) -> list[tuple[str, str, str]]:
    """(metric, rival, verdict on ``run``) of every row it is in."""
    turned = {BETTER: WORSE, WORSE: BETTER}
    told = [(r["metric"], r["b"], r["verdict"]) for r in pairs[pairs["a"] == run].to_dict("records")]
    return told + [(r["metric"], r["a"], turned.get(r["verdict"], r["verdict"])) for r in pairs[pairs["b"] == run].to_dict("records")]


def _quality(pairs: pd.DataFrame, others: pd.DataFrame, rivals: Sequence[str]) -> str:
    able = pairs[~pairs["verdict"].isin([UNLIKE, FEW])]
    if able.empty:
        few = pairs[pairs["verdict"] == FEW]
        return (
            f"Too few prompts to compare quality: {int(few['n'].max())}, and no difference can be shown below 6."
            if len(few)
            else "No quality metric compares these models."
        )
    metrics = list(dict.fromkeys(able["metric"]))
    told = {run: _against(able, run) for run in rivals}
    beaten = {run for run, lines in told.items() if any(v == WORSE for _, _, v in lines)}
    leaders = [run for run in rivals if run not in beaten and told[run]]
    over = {run: {rival for _, rival, v in lines if v == BETTER} for run, lines in told.items()}
    apart = [run for run in rivals if not told[run]]
    unlike = f"; {listed(apart)} {'is' if len(apart) == 1 else 'are'} not compared" if apart else ""
    if not able["verdict"].isin([BETTER, WORSE]).any():
        return f"No difference in quality is shown between {listed([r for r in rivals if told[r]])} on {listed(metrics)}{unlike}."
    if not leaders:
        firsts = [f"{run} is ahead on {listed(where)}" for run in rivals if (where := _leads(able, run, rivals))]
        return f"No model leads in quality throughout: {'; '.join(firsts) or 'each is shown worse than another on some metric'}{unlike}."
    if len(leaders) == 1:
        (first,) = leaders
        ahead: dict[tuple[str, ...], list[str]] = {}
        for rival in [r for r in rivals if r in over[first]]:
            ahead.setdefault(tuple(_ahead_on(told[first], rival)), []).append(rival)
        ways = [f"than {listed(beaten_here)} on {listed(where)}" for where, beaten_here in ahead.items()]
        met = {rival for _, rival, _ in told[first]}
        level = [rival for rival in rivals if rival in met - over[first]]
        apart = [rival for rival in rivals if rival not in met | {first}]
        tail = f"; against {listed(level)} no difference is shown" if level else ""
        tail += f"; {listed(apart)} {'is' if len(apart) == 1 else 'are'} not compared with it" if apart else ""
        if not ways:
            return f"{first} is shown worse than no rival on {listed(metrics)}, and better than none."
        behind = list(dict.fromkeys(metric for metric, _, v in _against(others, first) if v == WORSE))
        but = f"but shown worse on {listed(behind)}" if behind else "and shown worse on nothing"
        return f"For quality choose {first}: {_amounts(able, first)}it is better {listed(ways)}, {but}{tail}."
    losers = [run for run in rivals if run in beaten]
    where = sorted({m for run in losers for m, rival, v in told[run] if v == WORSE and rival in leaders}, key=metrics.index)
    gap = f"; {listed(losers)} {'is' if len(losers) == 1 else 'are'} shown worse on {listed(where)}" if where else ""
    return f"In quality no difference is shown between {listed(leaders)}{gap}{unlike}."


def _ahead_on(lines: Sequence[tuple[str, str, str]], rival: str) -> list[str]:
    return [metric for metric, other, v in lines if other == rival and v == BETTER]


def _leads(pairs: pd.DataFrame, run: str, rivals: Sequence[str]) -> list[str]:
    """Metrics on which ``run`` is shown better than every rival."""
    lines = _against(pairs, run)
    return [m for m in dict.fromkeys(pairs["metric"]) if sum(v == BETTER for metric, _, v in lines if metric == m) == len(rivals) - 1]


def _amounts(pairs: pd.DataFrame, first: str) -> str:
    """The first shown lead as numbers, "" where there is none."""
    rows = pairs[((pairs["a"] == first) & (pairs["verdict"] == BETTER)) | ((pairs["b"] == first) & (pairs["verdict"] == WORSE))]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    mine, other = (row["mean_a"], row["mean_b"]) if row["a"] == first else (row["mean_b"], row["mean_a"])
    rival = row["b"] if row["a"] == first else row["a"]
    ends = sorted(abs(row[c]) for c in ("low", "high"))
    sure = row["low"] * row["high"] > 0  # the interval and the test can differ at the edge
    span = f", {wording.number(ends[0], row['unit'])} to {wording.number(ends[1], row['unit'])} apart" if sure else ""
    return f"with {row['metric']} {wording.number(mine, row['unit'])} against {rival}'s {wording.number(other, row['unit'])}{span}, "


def _speed(pairs: pd.DataFrame, summary: pd.DataFrame, rivals: Sequence[str]) -> str:
    pace = summary[(summary["metric"] == "latency.p50") & summary["run"].isin(rivals) & summary["mean"].notna()].set_index("run")["mean"]
    timed = pairs[pairs["metric"] == "latency"]
    if len(pace) < 2 or timed.empty:
        return ""
    if (timed["verdict"] == UNLIKE).any():
        return f"Speeds are not all comparable ({timed.loc[timed['verdict'] == UNLIKE, 'reason'].iloc[0]})."
    first = str(pace.idxmin())
    slower = [run for run in pace.sort_values().index if ("latency", run, BETTER) in _against(timed, first)]
    if not slower:
        return "No model is shown to be the fastest."
    level = [run for run in pace.index if run != first and run not in slower]
    took = [f"{run} takes {pace[run] / pace[first]:.1f} times as long" for run in slower]
    opening = f"{first} has the shortest median" if level else f"{first} is the fastest"
    tail = f"; {listed(level)} {'is' if len(level) == 1 else 'are'} not shown slower" if level else ""
    untimed = [run for run in rivals if run not in pace.index]
    tail += f"; {listed(untimed)} {'was' if len(untimed) == 1 else 'were'} not timed" if untimed else ""
    return f"{opening}, {wording.number(pace[first], 's')} s a picture: {listed(took)}{tail}."


def _price(tables: Frames, rivals: Sequence[str]) -> str:
    cost = tables["cost"].set_index("run")["per_success"].reindex(list(rivals)).dropna().sort_values()
    if len(cost) < 2:
        return ""
    unknown = [run for run in rivals if run not in cost.index]
    tail = f"; the price of {listed(unknown)} is not known" if unknown else ""
    cheap, dear = cost.iloc[0], cost.iloc[-1]
    if dear == cheap:
        return f"Each costs {wording.usd(cheap)} USD a successful picture{tail}."
    many = 1000 if dear < _CENT else 1
    opening = "A thousand successful pictures cost" if many > 1 else "A successful picture costs"
    low, high = wording.usd(many * cheap), wording.usd(many * dear)
    return f"{opening} {low} USD with {cost.index[0]} and {high} USD with {cost.index[-1]}, the dearest{tail}."


def _elsewhere(quality: pd.DataFrame, others: pd.DataFrame, rivals: Sequence[str]) -> list[str]:
    """What is shown by metrics that the answer does not weigh, less the parts of a metric that shows the same."""
    same: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for run in rivals:
        ahead: dict[tuple[str, ...], list[str]] = {}
        for rival in rivals:
            weighed = _ahead_on(_against(quality, run), rival)
            where = [m for m in _ahead_on(_against(others, run), rival) if m.partition(".")[0] not in weighed]
            if where:
                ahead.setdefault(tuple(where), []).append(rival)
        for metrics, beaten in ahead.items():
            same.setdefault((metrics, tuple(beaten)), []).append(run)
    told = [f"{listed(runs)} better than {listed(beaten)} on {listed(metrics)}" for (metrics, beaten), runs in same.items()]
    return [f"Shown by other metrics: {'; '.join(told)}."] if told else []


def _unsettled(pairs: pd.DataFrame) -> list[str]:
    """The open questions that prompts would settle soonest."""
    rows = pairs[pairs["verdict"].isin([LEVEL, FEW]) & pairs["more"].notna()]
    near = rows[rows["more"] <= _HOPELESS * rows["n"]].sort_values("more", kind="stable")
    alike: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in near.to_dict("records"):
        key = row["metric"], wording.rounded(row["more"]), wording.number(abs(row["difference"]), row["unit"])
        alike.setdefault(key, []).append((row["a"], row["b"]))
    return [
        f"Not settled: {_met(matches)} on {metric}; about {more} more prompts would settle it if the difference is the {gap} seen here."
        for (metric, more, gap), matches in list(alike.items())[:_UNSETTLED]
    ]


def _met(matches: Sequence[tuple[str, str]]) -> str:
    """Pairs in words, together where one model is in all of them.

    >>> _met([("a", "c"), ("b", "c")])
    'c against a and b'
    """
    shared = set(matches[0]).intersection(*matches) if len(matches) > 1 else set()
    if not shared:
        return listed([f"{a} against {b}" for a, b in matches])
    (hub,) = shared
    return f"{hub} against {listed([a if b == hub else b for a, b in matches])}"
