"""The page of a comparison: every section from real runs, and what each says of planted numbers."""

from __future__ import annotations

import io
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.paths import TEMPLATE

from bench import report
from bench.analysis import costs, pairwise, ranking
from bench.analysis.frames import Frames, frames
from bench.config import presets
from bench.core.fingerprint import fingerprint
from bench.report import figures, sections
from bench.report import page as html
from bench.report.cells import not_compared
from bench.report.sections import categories, pairs, texts, tradeoffs
from bench.report.sections.notes import environments, fingerprints, unscored
from bench.report.sections.sets import sets
from bench.store import Run, Store, Vote
from bench.types import Column, Job, Prompt, PromptSet, Rendered, Request, ScoreRow, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = fingerprint("planted", 1, weights="none")
NASTY = '</script><img src=x onerror="document.title=1">$\\frac{1}${{ 7*7 }}<b>bold</b>'
FEW = '<i>"few"</i>'
PROMPTS = PromptSet("planted", "1", "en", "CC0", "test", tuple(
    Prompt(f"p/{i} &", f"thing {i} with a sign" if i else NASTY, ("signs", FEW)[i in {7, 8}] if i < 12 else "others", (), ("OPEN TODAY",))
    for i in range(24)
))  # fmt: skip
READ = {"alpha": "OPEN TODAY", "beta": "OPEN TO DAY", "gamma": NASTY}


def picture(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(data, "PNG")
    return data.getvalue()


def planted(results: Path, label: str, level: float, *, seconds: float = 1.0, **info: Any) -> Run:
    """A run whose clip is ``level`` below the best, with text read, a distance and one that was refused."""
    run = Store(results).run(f"{label[:5]}-run", create=True)
    run.update_info(name=run.name, label=label, model=label, hosted=False, environments={"here": {"cpu": NASTY, "cores": 2}}, **info)
    clip, exact = Column("clip", "cosine", worst=0.0), Column("ocr.exact", "share", worst=0.0)
    cer = Column("ocr.cer", "edits/char", higher_is_better=False, worst=1.0)
    rng, read = np.random.default_rng(3), READ.get(label, READ["gamma"])
    scores: list[ScoreRow] = []
    for i, prompt in enumerate(PROMPTS.prompts):
        job, value = Job(prompt, Request(label, "1", prompt.text, None, 0, 48, 32)), 0.5 + 0.1 * rng.random()
        refused = Rendered("refused", error=f"declined: {NASTY}")
        made = Rendered("ok", picture("teal"), Timing(latency_s=seconds * (1 + i / 100)))
        record = run.save(job, refused if label == "beta" and i == 20 else made, prompt_set=PROMPTS, environment="here")
        if record.status != "ok":
            scores.append(clip.missing(MARK, f"refused: {NASTY}", record, status="not_applicable", cause="refused"))
            continue
        value -= level * (1 if prompt.category == "signs" else 0.2)
        scores.append(clip.missing(MARK, f"no text: {NASTY}", record) if i == 23 else clip.scored(MARK, value, record))
        right, regions = read.replace(" ", "") == "OPENTODAY", [{"expected": "OPEN TODAY", "read": read}]
        scores.append(exact.scored(MARK, float(right), record, {"regions": regions}))
        scores.append(cer.scored(MARK, 0.0 if right else 0.4, record))
    distance = Column("fid", "distance", higher_is_better=False)
    scores.append(distance.scored(MARK, 40 + 100 * level, detail={"n": 24, "reference_n": 5000, "note": f"fid: {NASTY}"}))
    scores.append(Column("kid", "1000 MMD²", higher_is_better=False).missing(MARK, f"too few: {NASTY}"))
    (latency,) = presets.metrics(["latency"])
    run.save_scores([*scores, *latency.summarise([*run.current()], run.info())])  # type: ignore[union-attr]
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = tmp_path_factory.mktemp("page") / "results"
    return [
        planted(results, "alpha", 0.0, seconds=4.0, per_hour=3.6),
        planted(results, "beta", 0.1, seconds=2.0, per_hour=3.6),
        planted(results, NASTY, 0.1, seconds=3.0, per_hour=7.2),
    ]


@pytest.fixture(scope="module")
def tables(runs: list[Run]) -> Frames:
    return frames(runs)


@pytest.fixture(scope="module")
def page(runs: list[Run]) -> Path:
    return report.write_comparison(runs, runs[0].path.parent / "comparisons" / "three")


@pytest.fixture(scope="module")
def alone(runs: list[Run]) -> Path:
    return report.write_run(runs[0])


@pytest.fixture(scope="module")
def mailed(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write_comparison(runs, tmp_path_factory.mktemp("mailed"), embed=True)


class Seen(HTMLParser):
    """Elements with their attributes, and the text of each section."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._section = ""
        self._inside: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["aria-labelledby"] or ""
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script", "svg"} & set(self._inside):
            self.text[self._section] = " ".join(f"{self.text.get(self._section, '')} {data}".split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


EVERY = ["summary", "tradeoffs", "heat", "versus", "speed", "cost", "texts", "sets", "notes", "gallery"]


def test_a_comparison_has_every_section_and_the_way_to_it(page: Path, alone: Path) -> None:
    for shown, expected in ((page, EVERY), (alone, [s for s in EVERY if s not in {"tradeoffs", "versus"}])):
        seen = Seen(shown)
        ids = [a["id"] for _, a in seen.tags if "id" in a]
        assert len(ids) == len(set(ids))
        assert [a["aria-labelledby"] for a in seen.all("section")] == expected
        links = [a["href"] for a in seen.all("a") if a["href"] != "#summary" or a.get("class") != "skip"]
        assert [h for h in links if h and h[1:] in expected][: len(expected)] == [f"#{s}" for s in expected]
        assert {h[1:] for h in links if h and not h.startswith("#prompt=")} <= set(ids)
        assert all("scope" in a for a in seen.all("th"))
        assert len(seen.all("caption")) >= len(expected) - 3
    assert "7 more metrics" not in Seen(alone).text["summary"]


def test_the_answer_comes_first_and_the_best_is_marked(page: Path) -> None:
    text = page.read_text()
    assert text.index('class="lead"') < text.index("<table")
    assert text.count('class="badge">best') >= 1
    summary = Seen(page).text["summary"]
    assert "22 with refusals" not in summary
    assert "with refusals" in summary
    assert "1 refused" in summary


def test_what_others_wrote_is_text_and_nothing_else(page: Path, alone: Path, mailed: Path) -> None:
    for shown in (page, alone, mailed):
        seen = Seen(shown)
        assert {tag for tag, _ in seen.tags} & {"b", "img", "i"} <= {"b", "i"}
        assert all(set(a) <= {"style", "class", "aria-hidden"} for tag in ("b", "i") for a in seen.all(tag))
        assert not [a for _, a in seen.tags if any(name.startswith("on") for name in a)]
        assert "49" not in seen.text["summary"].split()
    assert NASTY in Seen(page).text["summary"]
    assert NASTY in Seen(page).text["texts"]
    assert "&lt;img" in page.read_text()


def test_a_mailed_page_refers_to_nothing(mailed: Path) -> None:
    seen = Seen(mailed)
    assert all((a.get("src") or a.get("href") or "#").startswith(("#", "data:")) for tag, a in seen.tags if tag != "use")
    assert not re.search(r"""url\((?!#)|@import""", re.sub(r"<script.*?</script>", "", mailed.read_text(), flags=re.DOTALL))
    assert [a.get("id") for a in seen.all("script")] == ["gallery-data", None]
    assert not (mailed.parent / "gallery-data.js").exists()
    assert not (mailed.parent / "thumbs").exists()


def test_a_folder_loads_its_pictures_beside_it(page: Path) -> None:
    scripts = Seen(page).all("script")
    assert scripts[0] == {"src": "gallery-data.js", "defer": None}
    assert (page.parent / "gallery-data.js").is_file()


# ---- sections ------------------------------------------------------------------------------------------------------------


def test_colours_of_categories_follow_the_distance_and_stay_pale_where_it_may_be_chance(tables: Frames) -> None:
    labels = ["alpha", "beta", NASTY]
    (clip,) = [table for table in categories.heat(tables, labels) if table["metric"] == "clip"]
    rows = {row["category"]: row["cells"] for row in clip["rows"]}
    assert list(rows) == [categories.ALL, FEW, "others", "signs"]
    assert [cell["tone"] for cell in rows["signs"]] == ["up4", "down2", "down2"]
    assert [cell["tone"] for cell in rows["others"]] == ["up1", "down1", "down1"]
    assert all(cell["few"] and cell["n"] == "2" and cell["tone"][-1:] in {"", "1"} for cell in rows[FEW])
    assert rows["signs"][0]["gap"].startswith("+0.06")


def test_what_a_colour_says_is_said_in_words_too(page: Path, alone: Path) -> None:
    text, own = page.read_text(), Seen(alone).text["heat"]
    cells = re.findall(r'<td class="(up|down)(\d)".*?</td>', text)
    assert cells
    said = re.findall(r'<span class="hidden">[^<]* against the mean of the models: (better|worse)(, may be chance)?</span>', text)
    assert said == [({"up": "better", "down": "worse"}[side], ", may be chance" if depth == "1" else "") for side, depth in cells]
    assert "against its own mean: worse" in own


@pytest.mark.slow
def test_every_table_has_a_caption(runs: list[Run], tmp_path: Path) -> None:
    records = [{r.prompt_id: r for r in run.current()} for run in runs[:2]]
    votes = [
        Vote(f"vote-{i:04}", f"ballot-{i}", "s", "Ana", prompt, runs[0].name, runs[1].name, a.request.id, records[1][prompt].request.id,
             str(a.sha256), str(records[1][prompt].sha256), "a", "a")
        for i, (prompt, a) in enumerate(records[0].items())
    ]  # fmt: skip
    seen = Seen(report.write_comparison(runs, tmp_path, votes=votes))
    assert "strength" in seen.text["votes"]
    assert "Which metric predicts people here" in seen.text["votes"]
    assert "Not settled" in seen.text["versus"]
    after = [(tag, following) for (tag, _), (following, _) in itertools.pairwise(seen.tags) if tag == "table"]
    assert after
    assert set(after) == {("table", "caption")}


def test_a_ceiling_is_neither_coloured_nor_in_the_mean(tables: Frames) -> None:
    crowned = tables | {"summary": tables["summary"].assign(ceiling=tables["summary"]["run"] == "alpha")}
    clip = next(table for table in categories.heat(crowned, ["alpha", "beta", NASTY]) if table["metric"] == "clip")
    assert {cell["tone"] for row in clip["rows"] for cell in row["cells"]} == {""}, "the two others are alike"


def row(a: str, b: str, verdict: str, **more: Any) -> dict[str, Any]:
    told = {"metric": "clip", "a": a, "b": b, "unit": "cosine", "higher_is_better": True, "n": 40, "mean_a": 0.5, "mean_b": 0.4,
            "difference": 0.1, "low": 0.05, "high": 0.15, "cliff": 0.2, "effect": 0.5, "win": 0.6, "tie": 0.1, "loss": 0.3, "p": 0.001,
            "q": 0.01, "verdict": verdict, "detectable": 0.03, "more": np.nan, "reason": None}  # fmt: skip
    return told | more


def compared(rows: Sequence[dict[str, Any]], ranks: Sequence[tuple[str, float]] = ()) -> Frames:
    order = [
        {"metric": "clip", "run": run, "group": 1, "strength": s, "low": s - 0.2, "high": s + 0.2, "rank": i + 1, "rank_low": max(1, i),
         "rank_high": i + 2, "wins": 5.0, "ties": 1.0, "losses": 4.0, "n": 10}
        for i, (run, s) in enumerate(ranks)
    ]  # fmt: skip
    return Frames({}) | {
        "pairwise": pd.DataFrame(rows, columns=[*pairwise.COLUMNS]),
        "ranking": pd.DataFrame(order, columns=[*ranking.COLUMNS]),
    }


def test_a_pair_reads_the_same_from_both_sides() -> None:
    told = compared([
        row("a", "b", "better"), row("a", "c", pairwise.LEVEL, more=140.0, difference=0.01, low=-0.01, high=0.03),
        row("b", "c", pairwise.UNLIKE, reason="other machines", **dict.fromkeys(("difference", "low", "high", "win", "loss", "q"), np.nan)),
    ])  # fmt: skip
    found = pairs.section(told, ["a", "b", "c"])
    assert found is not None
    (clip,) = found["metrics"]
    (_, ab, ac), (ba, _, bc), (ca, cb, _) = (line["cells"] for line in clip["matrix"])
    assert (ab["verdict"], ab["difference"], ab["interval"], ab["shares"]) == ("better", "+0.100", "+0.050 to +0.150", (60, 10, 30))
    assert (ba["verdict"], ba["difference"], ba["interval"], ba["shares"]) == ("worse", "−0.100", "−0.150 to −0.050", (30, 10, 60))
    assert (ac["kind"], ca["interval"], ab["q"]) == ("level", "−0.030 to +0.010", "0.010")
    assert (bc["reason"], bc["difference"], cb["shares"], bc["q"]) == ("other machines", "", None, "")
    assert [(o["a"], o["b"], o["more"]) for o in clip["open"]] == [("a", "c", "140")]
    (overview,) = found["overview"]
    assert [(t["better"], t["level"], t["worse"], t["unlike"]) for t in overview["tallies"]] == [(1, 1, 0, 0), (0, 0, 1, 1), (0, 1, 0, 1)]
    assert clip["ranking"] is None


def test_a_ranking_needs_three_models_and_lies_on_one_line() -> None:
    three = [row("a", "b", "better"), row("a", "c", "better"), row("b", "c", "better")]
    found = pairs.section(compared(three, [("a", 0.6), ("b", 0.0), ("c", -0.6)]), ["a", "b", "c"])
    assert found is not None
    ranks = found["metrics"][0]["ranking"]
    assert [(r["run"], r["rank"], r["strength"]) for r in ranks] == [("a", 1, "+0.60"), ("b", 2, "+0.00"), ("c", 3, "−0.60")]
    assert (ranks[0]["left"], ranks[0]["at"], ranks[0]["width"]) == (75.0, 87.5, 25.0)
    assert (ranks[2]["left"], ranks[1]["ranks"]) == (0.0, "1 to 3")
    assert pairs.section(compared(three[:1], [("a", 0.6), ("b", -0.6)]), ["a", "b"])["metrics"][0]["ranking"] is None  # type: ignore[index]
    assert pairs.section(compared([]), ["a"]) is None


def test_many_pairs_leave_the_page_to_the_headline() -> None:
    names = [f"m{i:02}" for i in range(12)]
    metrics = ["clip", *(f"clip.x{k}" for k in range(11))]
    rows = [row(a, b, "better", metric=m) for m in metrics for i, a in enumerate(names) for b in names[i + 1 :]]
    found = pairs.section(compared(rows), names)
    assert found is not None
    assert [panel["metric"] for panel in found["metrics"]] == ["clip"]
    assert len(found["left_out"]) == 11
    assert len(found["overview"]) == 12


def test_text_is_counted_and_its_worst_prompts_are_shown_with_their_marks(tables: Frames) -> None:
    found = texts.section(tables, ["alpha", "beta", NASTY])
    assert found is not None
    models = {model["run"]: model for model in found["models"]}
    assert [models[r]["exact"] for r in ("alpha", "beta")] == ["100 %", "100 %"], "where spaces fall is the score's affair"
    assert (models["alpha"]["missing"], models["alpha"]["missed"]) == ("0", [])
    wrong = models[NASTY]
    assert (wrong["exact"], wrong["cer"], wrong["pictures"]) == ("0 %", "0.400", "24")
    assert {word for word, _ in wrong["missed"]} == {"open", "today"}
    assert int(wrong["missing"]) + int(wrong["changed"]) == 48
    assert len(found["worst"]) == found["failed"] == 24
    cells = found["worst"][0]["cells"]
    assert cells[0]["regions"] == ((" ", (("=", "OPEN TODAY"),)),)
    assert "".join(text for kind, text in cells[2]["regions"][0][1] if kind == "-") == "OPEN TODAY"


def test_the_list_of_worst_texts_ends(tables: Frames) -> None:
    scores = tables["scores"]
    many = pd.concat([scores.assign(prompt_id=scores["prompt_id"] + f"#{i}") for i in range(4)], ignore_index=True)
    images = pd.concat([tables["images"].assign(prompt_id=tables["images"]["prompt_id"] + f"#{i}") for i in range(4)], ignore_index=True)
    found = texts.section(tables | {"scores": many, "images": images}, ["alpha", "beta", NASTY])
    assert found is not None
    assert (len(found["worst"]), found["failed"]) == (texts.WORST, 96)


def test_links_lead_to_a_prompt_whatever_it_is_called(page: Path) -> None:
    links = [a["href"] for a in Seen(page).all("a") if (a["href"] or "").startswith("#prompt=")]
    assert "#prompt=p/0%20%26" in links
    assert all(" " not in link for link in links if link)


def test_sets_say_what_they_were_measured_against_and_why_not(tables: Frames) -> None:
    fid, kid = sets(tables, ["alpha", "beta", NASTY])
    assert (fid["metric"], fid["n"], fid["notes"]) == ("fid", "n\u00a024", [f"fid: {NASTY}"])
    assert [(cell["mean"], cell["reference"]) for cell in fid["cells"]] == [("40.0", "5,000"), ("50.0", "5,000"), ("50.0", "5,000")]
    assert [(cell["known"], cell["reason"]) for cell in kid["cells"]] == [(False, f"too few: {NASTY}")] * 3


def test_gaps_machines_and_settings_are_told_once(tables: Frames) -> None:
    gaps = unscored(tables)
    assert {(gap["run"], gap["metrics"], gap["count"]) for gap in gaps} >= {("alpha", "clip", 1), ("beta", "kid", 1)}
    (machine,) = environments(tables)
    assert machine["runs"] == ["alpha", "beta", NASTY]
    marks = {entry["metrics"]: dict(entry["fields"]) for entry in fingerprints(tables)}
    assert next(fields for metrics, fields in marks.items() if metrics.startswith("clip"))["weights"] == "none"


@pytest.mark.slow
def test_runs_of_unlike_machines_are_named_with_the_reason(runs: list[Run]) -> None:
    runs[1].update_info(hosted=True)
    try:
        told = frames(runs)
    finally:
        runs[1].update_info(hosted=False)
    apart = {(line["a"], line["b"]): line for line in not_compared(told)}
    assert apart["alpha", "beta"]["reason"] == "a hosted model's timing against a local one's"
    assert "latency" in apart["alpha", "beta"]["metrics"]
    plots = tradeoffs.tradeoffs(told, ["alpha", "beta", NASTY])
    assert all(plot["latency"]["front"] == [] and "not all comparable" in plot["latency"]["note"] for plot in plots)


# ---- figures -------------------------------------------------------------------------------------------------------------


def point(run: str, x: float, y: float) -> tradeoffs.Point:
    return tradeoffs.Point(run, x, y, (x * 0.9, x * 1.1), (y - 0.02, y + 0.02), figures.PALETTE[0], "o")


def test_the_front_is_what_nobody_beats_in_both() -> None:
    points = [point("slow", 4, 0.9), point("fast", 1, 0.5), point("beaten", 2, 0.4), point("middle", 2, 0.7), point("twin", 2, 0.7)]
    assert [p.run for p in tradeoffs.front(points, higher=True)] == ["fast", "middle", "twin", "slow"]
    assert [p.run for p in tradeoffs.front(points, higher=False)] == ["fast", "beaten"]


@pytest.mark.slow
def test_a_model_is_called_beaten_only_where_both_are_shown(tables: Frames) -> None:
    """Of two equal models one is behind in both by the means in half of all tables."""

    def plot(quality: str, speed: str, effort: str = "latency") -> dict[str, Any]:
        pairs = tables["pairwise"].query("a == 'alpha' and b == 'beta' and metric in ('clip', 'latency')")
        pairs = pairs.assign(verdict=pairs["metric"].map({"clip": quality, "latency": speed}))
        pace = tables["summary"].copy()
        pace.loc[pace["metric"].eq("latency.p50") & pace["run"].eq("beta"), "mean"] = 9.0
        (clip,) = [
            p for p in tradeoffs.tradeoffs(tables | {"pairwise": pairs, "summary": pace}, ["alpha", "beta"]) if p["metric"] == "clip"
        ]
        return dict(clip[effort])

    one = plot("better", "too few sessions")
    assert (one["front"], one["beaten"], one["open"], one["apart"], one["alone"]) == (["alpha"], [], [], ["beta"], False)
    assert plot("better", "no difference shown")["open"] == ["beta"]
    assert plot("no difference shown", "better")["beaten"] == []
    both = plot("better", "better")
    assert (both["front"], both["beaten"], both["open"], both["alone"]) == (["alpha"], ["beta"], [], True)


@pytest.mark.slow
def test_plots_need_two_points_and_say_what_they_show(tables: Frames) -> None:
    plots = {plot["metric"]: plot for plot in tradeoffs.tradeoffs(tables, ["alpha", "beta", NASTY])}
    assert list(plots) == ["clip", "ocr.exact", "fid"]
    assert plots["clip"]["latency"]["front"] == ["beta", "alpha"]
    assert plots["clip"]["cost"]["front"] == ["beta", "alpha"]
    svg = plots["clip"]["latency"]["svg"]
    assert "currentColor" in svg
    assert "<img" not in svg
    assert tradeoffs.tradeoffs(tables, ["alpha"]) == []
    unpriced = tables | {"cost": tables["cost"].assign(per_success=[0.1, np.nan, np.nan])}
    assert {plot["cost"] for plot in tradeoffs.tradeoffs(unpriced, ["alpha", "beta", NASTY])} == {None}


def test_prices_by_the_hour_put_no_model_behind_where_speeds_were_not_compared() -> None:
    """A local price is seconds times a constant: of one session each it knows no more than the seconds."""
    cost = pd.DataFrame(
        {"run": ["a", "b", "c"], "per_success": [0.1, 0.5, 0.2], "basis": ["2 USD an hour of the machine"] * 2 + ["declared"]}
    )
    speeds = pd.DataFrame({"metric": ["latency"], "a": ["a"], "b": ["b"], "verdict": ["too few sessions"]})
    known, untold = costs.cheaper(cost, speeds)
    assert (known, untold) == ({("a", "c"), ("c", "b")}, {frozenset("ab")})
    assert costs.cheaper(cost, speeds.assign(verdict="better")) == ({("a", "b"), ("a", "c"), ("c", "b")}, set())
    points = [point("a", 0.1, 0.9), point("b", 0.5, 0.5)]
    one = tradeoffs._plot(points, ("USD", "clip"), str, {}, (known, untold), higher=True, unlike=())
    assert one
    assert (one["front"], one["beaten"], one["open"], one["apart"], one["alone"]) == (["a"], [], [], ["b"], False)
    turned = tradeoffs._plot(points, ("s", "clip"), str, {}, ({("b", "a")}, set()), higher=False, unlike=())
    assert turned
    assert turned["beaten"] == [], "shown faster by the mean of sessions, slower by the median that is drawn"


def test_names_in_a_plot_keep_off_each_other() -> None:
    points = [point(f"model-{i}", 1 + 0.03 * i, 0.5 + 0.002 * (i % 3)) for i in range(6)]
    svg = tradeoffs.draw(points, points[:1], ("seconds", "clip"), figures.seconds_text, {"oracle": 0.505}, higher=True)
    found = re.findall(r'<text style="[^"]*?(?:text-anchor: (\w+))?" x="([\d.]+)" y="([\d.]+)"[^>]*>((?:model|ceiling)[^<]*)</text>', svg)
    assert {name for *_, name in found} == {"ceiling: oracle", *(f"model-{i}" for i in range(6))}
    wide = {name: 5.4 * len(name) for *_, name in found}
    left = {name: float(x) - wide[name] * {"": 0, "start": 0, "middle": 0.5, "end": 1}[anchor] for anchor, x, _, name in found}
    low = {name: float(y) for _, _, y, name in found}
    close = [
        (one, other)
        for one in wide
        for other in wide
        if one < other
        and abs(low[one] - low[other]) < 8
        and min(left[one] + wide[one], left[other] + wide[other]) > max(left[one], left[other])
    ]
    assert close == []


def test_thirty_thousand_latencies_are_a_small_figure() -> None:
    rng = np.random.default_rng(0)
    images = pd.DataFrame({"run": np.repeat([f"run-{i}" for i in range(6)], 5000), "latency_s": rng.lognormal(0, 0.3, 30_000)})
    svg = figures.latency_distribution(images, [f"run-{i}" for i in range(6)])
    assert svg is not None
    assert len(svg) < 160_000
    assert svg.count("<use") < 60
    assert figures.latency_distribution(images.assign(latency_s=np.nan), ["run-0"]) is None


# ---- looks ---------------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * d for d in digits)
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(theme: str) -> None:
    css = (TEMPLATE / "report.css").read_text()
    blocks = re.findall(r":root\{([^}]*)\}", css)
    light, dark = (dict(re.findall(r"--([\w-]+):(#\w+)", block)) for block in blocks[:2])
    colours = light | dark if theme == "dark" else light
    words = [
        *((text, ground) for text in ("ink", "soft", "accent", "add", "bad") for ground in ("page", "card")),
        *(("ink", ground) for ground in ("good", *(f"{side}{k}" for side in ("up", "down") for k in range(1, categories.STEPS + 1)))),
        ("page", "good-ink"), ("bad", "bad-bg"), ("add", "add-bg"), ("page", "ink"), ("page", "accent"),
    ]  # fmt: skip
    poor = {pair: round(found, 2) for pair in words if (found := contrast(colours[pair[0]], colours[pair[1]])) < 4.5}
    assert poor == {}
    marks = {name: contrast(colours[name], colours["page"]) for name in ("win", "tie", "loss")}
    assert min(marks.values()) >= 3


@pytest.mark.parametrize("width", [360, 390])
def test_nothing_leaves_a_phones_screen_sideways(browser: Any, page: Path, alone: Path, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for shown in (page, alone):
            browser.get(shown.as_uri())
            assert browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.slow
def test_the_page_answers_in_a_browser_without_a_complaint(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    assert browser.title.endswith("– fluxbench")
    shown = "return [...document.querySelectorAll('.panel')].filter(p => !p.hidden && p.dataset.of === arguments[0]).length"
    assert browser.execute_script(shown, "versus") == 1
    select = browser.find_element("css selector", "select[data-panels=versus]")
    for option in select.find_elements("css selector", "option"):
        option.click()
        assert browser.execute_script(shown, "versus") == 1
    assert browser.find_element("css selector", ".panel[data-of=versus]:not([hidden]) table").is_displayed()
    assert not browser.find_element("id", "more-texts").is_displayed()
    browser.find_element("css selector", "[data-more=more-texts]").click()
    assert browser.find_element("id", "more-texts").is_displayed()
    browser.find_element("css selector", ".parts a[href='#cost']").click()
    assert browser.execute_async_script("""
        const done = arguments[0];
        (function look() {
          const link = document.querySelector(".parts a[aria-current]");
          if (link.hash === "#cost") done(true); else requestAnimationFrame(look);
        })();""")
    top, bottom = (browser.find_element("css selector", css).rect for css in ("#cost", ".parts"))
    assert top["y"] >= browser.execute_script("return scrollY") + bottom["height"], "the bar of sections covers no heading"
    assert browser.execute_script("return document.querySelectorAll('.parts a[aria-current]').length") == 1
    assert browser.title != "1"


def test_a_link_of_the_text_section_opens_the_prompt(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    link = browser.find_element("css selector", "#texts ~ .scroll a[href^='#prompt='], section[aria-labelledby=texts] a[href^='#prompt=']")
    wanted = link.text
    link.click()
    assert browser.find_element("id", "g-zoom").get_attribute("open")
    assert browser.find_element("id", "g-zoom-meta").text.startswith(wanted)


@pytest.mark.slow
def test_content_is_the_same_twice(tables: Frames) -> None:
    first, second = (
        json.dumps([html.content(tables), html.parts_of(tables, ["alpha", "beta", NASTY])], default=str, sort_keys=True) for _ in range(2)
    )
    assert first == second


@pytest.mark.slow
def test_a_section_is_found_by_its_file(tables: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "palette.py").write_text(
        'TITLE, ORDER = "Palette", 25\n\n\ndef section(tables, labels):\n    return {"models": labels} if len(labels) > 1 else None\n'
    )
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    names = [part["anchor"] for part in html.parts_of(tables, ["alpha", "beta", NASTY])]
    assert names[:4] == ["summary", "tradeoffs", "palette", "heat"]
    assert "palette" not in [part["anchor"] for part in html.parts_of(tables, ["alpha"])]
    part = html.parts_of(tables, ["alpha", "beta"])[2]
    assert part == {
        "title": "Palette",
        "anchor": "palette",
        "template": "sections/palette.html.j2",
        "section": {"models": ["alpha", "beta"]},
    }
