"""The gate: equal runs pass, a planted regression fails, too few prompts are undecided; and what it says of each."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.command import bench
from support.runs import render_oracle

from bench import prompts, stats
from bench.analysis.drops import GateRun, _margin_warning
from bench.analysis.gate import EXIT_CODES, GateFinding, judge
from bench.analysis.limits import Limit, parse
from bench.cli.commands.gate import document, sentence
from bench.config import presets
from bench.core.progress import Progress
from bench.engine import score
from bench.engine.plan import jobs_for
from bench.errors import ConfigError
from bench.store import Run, Store
from bench.types import Column, Rendered, ScoreRow, Timing
from bench.verify import pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo
    from pathlib import Path

PROMPTS = 16
FINGERPRINT = '{"metric":"x","version":1}'


def scored(run: Run, metrics: Sequence[str] = ("scene", "clip_tiny", "latency")) -> Run:
    with run.lock():
        score.score(run, presets.metrics(metrics), Progress())
    return run


class Clock(NamedTuple):
    """Stands for ``datetime``: it is always so many o'clock."""

    hour: int

    def now(self, zone: tzinfo) -> datetime:
        return datetime(2026, 1, 1, self.hour, tzinfo=zone)


def copied(
    source: Run,
    label: str,
    change: Callable[[Image.Image], Image.Image] = lambda image: image,
    seconds: float = 0.2,
    survivors: int = PROMPTS,
) -> Run:
    """The first ``survivors`` pictures of ``source``, changed, under latencies of about ``seconds``, in five rounds; others failed."""
    run = Store(source.path.parent).run(label, create=True)
    run.update_info(**{**source.info(), "label": label, "name": label})
    jobs = {j.key: j for j in jobs_for(presets.provider("tiny-oracle"), prompts.load("tiny").prompts, [0, 1])}
    for i, record in enumerate(source.current()):
        data = io.BytesIO()
        change(Image.open(source.image_path(record)).convert("RGB")).save(data, "PNG")
        made = Rendered("ok", data.getvalue(), Timing(latency_s=seconds * (1 + (i * 7 % 10) / 100)))
        if i >= survivors:
            made = Rendered("failed", None, Timing(), "out of memory")
        made = replace(made, detail={"session": i % 5})
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("bench.store.run.datetime", Clock(i % 5))
            run.save(jobs[record.key], made, prompt_set=prompts.load("tiny"), environment=record.environment)
    return scored(run)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The oracle's pictures as they are, made again, under noise, and made more slowly."""
    results = tmp_path_factory.mktemp("gate") / "results"
    drawn = render_oracle(results, limit=PROMPTS, label="drawn", seeds=(0,))
    return {
        "sound": copied(drawn, "sound"),
        "again": copied(drawn, "again"),
        "noisy": copied(drawn, "noisy", lambda image: pictures.noisy(image, 200)),
        "blurred": copied(drawn, "blurred", lambda image: pictures.blurred(image, 0.6)),
        "slow": copied(drawn, "slow", seconds=0.3),
        "brittle": copied(drawn, "brittle", survivors=8),
    }


def judged(runs: dict[str, Run], baseline: str, candidate: str, *words: str) -> subprocess.CompletedProcess[str]:
    return bench(["gate", str(runs[baseline].path), str(runs[candidate].path), *words], runs[baseline].path)


def test_equal_runs_exit_0(runs: dict[str, Run]) -> None:
    words = ["--max-drop", "scene=0", "--max-drop", "clip_tiny=1%", "--max-slowdown", "mean=10%"]
    assert judged(runs, "sound", "sound", *words).returncode == 0
    again = judged(runs, "sound", "again", *words)
    assert again.returncode == 0, "the same pictures made again"
    assert "0.000 [0.000, 0.000]" in again.stdout
    assert "pass: every change for the worse is within its margin" in again.stdout


def test_a_planted_regression_exits_1(runs: dict[str, Run]) -> None:
    worse = judged(runs, "sound", "noisy", "--max-drop", "scene=0.1", "--max-drop", "clip_tiny=2%", "--json", "-")
    assert worse.returncode == 1
    limits = json.loads(worse.stdout)["limits"]
    assert [limit["verdict"] for limit in limits] == ["regression", "regression"]
    assert all(limit["low"] > limit["allowed"] for limit in limits)
    assert judged(runs, "noisy", "sound", "--max-drop", "scene=0.1").returncode == 0, "a rise is no drop"


def test_five_prompts_exit_3(tmp_path: Path) -> None:
    run = scored(render_oracle(tmp_path / "results", limit=5), ["scene", "latency"])
    few = judged({"five": run}, "five", "five", "--max-drop", "scene=0.05", "--max-slowdown", "p50=10%")
    assert few.returncode == 3
    assert "scene=0.05: too few prompts; " in few.stdout
    assert "latency.p50=10%: one session each; render both in one sweep with rounds=5" in few.stdout


def test_a_planted_slowdown_is_seen_as_a_share_and_in_seconds(runs: dict[str, Run]) -> None:
    words = ["--max-slowdown", "mean=10%,mean=0.05", "--max-slowdown", "mean=60%", "--max-drop", "scene=0"]
    slower = judged(runs, "sound", "slow", *words, "--json", "-")
    assert slower.returncode == 1
    limits = {limit["limit"]: limit for limit in json.loads(slower.stdout)["limits"]}
    assert [limit["verdict"] for limit in limits.values()] == ["pass", "regression", "regression", "pass"]
    assert limits["latency.mean=10%"]["drop"] == pytest.approx(0.5 * limits["latency.mean=10%"]["baseline"])
    assert limits["latency.mean=0.05"]["drop"] == pytest.approx(0.5 * 0.209, abs=0.002)
    assert limits["latency.mean=0.05"]["low"] > 0.05


def test_a_percentile_is_that_of_a_session_and_takes_the_pictures_of_each() -> None:
    """p99 of five sessions of 20 pictures was 1.7 on average where the truth is 2.0."""
    run = side("a", spread(np.ones(100)), column=Column("latency", "s", higher_is_better=False))
    images = run.images.assign(status="ok", latency_s=1.0, retry_s=math.nan, environment="here", batch_size=1, session=np.arange(100) % 5)
    images["created"] = [f"2026-01-01T0{session}:00:00" for session in images["session"]]
    once = replace(run, images=images, info={"environments": {"here": {}}})
    found = judge(once, once, parse([], ["p50=10%", "p90=10%,p95=10%,p99=10%"]))
    assert [finding.verdict for finding in found] == ["pass", *["cannot tell"] * 3]
    assert [finding.reason for finding in found[1:]] == [
        f"p{q} of a session of 20 pictures is probably too low; it takes {needed} a session"
        for q, needed in ((90, 29), (95, 59), (99, 299))
    ]
    later = replace(once, images=images.assign(created=[f"2026-01-02{at[10:]}" for at in images["created"]]))
    (apart,) = judge(once, later, parse([], ["mean=10%"]))
    assert (apart.verdict, apart.reason) == ("cannot tell", "not in turns; render both in one sweep with rounds=5")


def test_a_candidate_that_fails_on_many_prompts_does_not_pass_for_its_speed_on_the_others(runs: dict[str, Run]) -> None:
    few = judged(runs, "sound", "brittle", "--max-slowdown", "mean=10%")
    assert few.returncode == 3
    assert f"only 8 of {PROMPTS} prompts have a score in both runs: failed: out of memory" in few.stdout
    assert judged(runs, "sound", "brittle", "--max-slowdown", "mean=10%", "--min-coverage", "40%").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("candidate", "code"), [("again", 0), ("noisy", 1)])
@pytest.mark.parametrize("words", [(), ("--json", "-")])
def test_whoever_stops_reading_changes_nothing_in_the_exit_code(
    runs: dict[str, Run], candidate: str, code: int, words: tuple[str, ...]
) -> None:
    asked = ["gate", str(runs["sound"].path), str(runs[candidate].path), "--max-drop", "scene=0.1", *words]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        assert subprocess.run([sys.executable, "-m", "bench", *asked], stdout=closed, check=False).returncode == code


def test_scores_that_never_differ_on_other_pictures_are_not_certain_and_large_shares_are_warned_of() -> None:
    column = Column("ocr.ned", "similarity")
    a, b = (side(name, spread(np.full(20, 0.9)), column=column) for name in "ab")
    assert judge(a, b, [Limit("ocr.ned", 0.0)])[0].verdict == "cannot tell"
    assert "60% is half or more" in str(judge(a, b, [Limit("ocr.ned", 0.6, relative=True)])[0].note)


def test_a_drop_about_as_large_as_the_margin_cannot_be_told_and_says_what_would_settle_it(runs: dict[str, Run]) -> None:
    without_margin = judged(runs, "sound", "blurred", "--max-drop", "clip_tiny=0", "--json", "-")
    margin = 0.98 * json.loads(without_margin.stdout)["limits"][0]["drop"]
    as_json = judged(runs, "sound", "blurred", "--max-drop", f"clip_tiny={margin}", "--json", "-")
    (limit,) = json.loads(as_json.stdout)["limits"]
    assert limit["low"] < margin < limit["high"]
    assert limit["more_prompts"] is None, "no number settles a drop at the margin itself"
    as_text = judged(runs, "sound", "blurred", "--max-drop", f"clip_tiny={margin}")
    assert as_json.returncode == as_text.returncode == 3
    assert f"the interval reaches across the margin with {PROMPTS} prompts; a candidate that is no worse passes" in as_text.stdout
    assert "this drop lies at the margin itself, which no number of prompts settles" in as_text.stdout


def test_one_regression_outweighs_what_cannot_be_told(runs: dict[str, Run]) -> None:
    assert judged(runs, "sound", "noisy", "--max-drop", "scene=0.1", "--max-slowdown", "p99=10%").returncode == 1
    assert judged(runs, "sound", "again", "--max-drop", "scene=0.1", "--max-slowdown", "p99=10%").returncode == 3, "p99 takes 299 pictures"


def test_the_json_has_its_keys_and_no_nan(runs: dict[str, Run], tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    gate = judged(runs, "sound", "again", "--max-drop", "scene=0.05", "--max-slowdown", "p99=10%", "--json", str(file))
    assert gate.returncode == 3
    assert "cannot tell" in gate.stdout, "the text is printed as well"
    found = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert list(found) == ["schema_version", "verdict", "exit_code", "baseline", "candidate", "limits"]
    assert found["baseline"]["run"] == "sound"
    keys = [
        "limit", "metric", "margin", "relative", "verdict", "unit", "baseline", "candidate", "drop", "low", "high", "allowed", "prompts",
        "coverage", "unchanged_prompts", "more_prompts", "by", "reason", "note",
    ]  # fmt: skip
    assert all(list(limit) == keys for limit in found["limits"])
    assert found["limits"][1]["drop"] is None


def test_a_baseline_that_has_nothing_to_lose_is_warned_of() -> None:
    warning = _margin_warning(Limit("stray_text", 0.1), 0.0, frozenset())
    assert warning == "the baseline is at 0: it has nothing to lose, and no candidate can fail"
    assert _margin_warning(Limit("stray_text", 0.1), 0.21, frozenset()) is None


def test_a_margin_that_nothing_can_pass_is_warned_of(runs: dict[str, Run]) -> None:
    gate = judged(runs, "sound", "again", "--max-drop", "clip_tiny=0.9")
    assert gate.returncode == 0
    assert "clip_tiny=0.9: warning: a margin of 0.9 is" in gate.stdout
    assert "clip_tiny.score100 has the scale from 0 to 100" in gate.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a gate needs a limit, such as --max-drop scene=0.05"),
        (["--max-drop", "scnee=0.1"], "unknown metric 'scnee'; did you mean 'scene'"),
        (["--max-drop", "scene"], "'scene' is no limit"),
        (["--max-drop", "scene=much"], "'scene=much' is no limit"),
        (["--max-drop", "scene=-1"], "'scene=-1' is no limit"),
        (["--max-drop", "scene=nan"], "'scene=nan' is no limit"),
        (["--max-slowdown", "p60=10%"], "unknown figure of latency 'p60'; did you mean 'p90' or 'p50'?"),
        (["--max-drop", "scene=1", "--min-coverage", "110%"], "'110%' is no share"),
        (["--max-drop", "scene=1", "--json", "/nowhere/at/all.json"], "cannot write /nowhere/at/all.json"),
    ],
)
def test_what_cannot_be_judged_is_one_message_and_exit_code_2(words: list[str], message: str, runs: dict[str, Run]) -> None:
    gate = judged(runs, "sound", "again", *words)
    assert gate.returncode == 2
    seen = " ".join(gate.stderr.split())
    assert message in seen
    assert seen.count("error:") == 1


def test_timings_of_two_machines_and_of_a_server_are_not_compared(runs: dict[str, Run]) -> None:
    limits = parse([], ["p50=10%"])
    a, b = (GateRun.read(runs[name], limits) for name in ("sound", "again"))
    elsewhere = GateRun(b.name, b.path, b.info, b.images.assign(environment="another"), b.scores, b.metrics)
    hosted = GateRun(b.name, b.path, {**b.info, "hosted": True}, b.images, b.scores, b.metrics)
    batched = GateRun(b.name, b.path, b.info, b.images.assign(batch_size=4), b.scores, b.metrics)
    reasons = [judge(a, side, limits)[0].reason for side in (elsewhere, hosted, batched)]
    assert reasons == [
        "timed on different machines", "a hosted model's timing against a local one's", "pictures made 1 at a time against 4 at a time",
    ]  # fmt: skip


def side(name: str, values: dict[str, Sequence[float]], *, column: Column | None = None, **detail: Any) -> GateRun:
    """A run with a score of ``column`` for each seed of each prompt; NaN is one that could not be had."""
    column = column or Column("quality", "points")
    rows, images = [], []
    for prompt, seeds in values.items():
        for seed, value in enumerate(seeds):
            images.append({"prompt_id": prompt, "prompt": f"of {prompt}", "sha256": f"{name} {prompt} {seed}", "status": "ok"})
            row = ScoreRow(column.name, FINGERPRINT, value, "ok", column.unit, column.higher_is_better)
            missing = {"status": "unscored", "reason": "the engine broke"} if math.isnan(value) else {}
            rows.append({**vars(row), **missing, "request_id": f"{prompt}{seed}", "prompt_id": prompt, "seed": seed, "detail": "{}"})
    if detail:
        row = ScoreRow(column.name, FINGERPRINT, detail.pop("value"), "ok", column.unit, column.higher_is_better)
        rows = [{**vars(row), "detail": json.dumps(detail)}]
    scores = pd.DataFrame(rows).astype({"higher_is_better": object})
    return GateRun(name, name, {}, pd.DataFrame(images), scores, frozenset({column.name}))


def spread(values: np.ndarray) -> dict[str, Sequence[float]]:
    return {f"p{i:03d}": [float(value)] for i, value in enumerate(values)}


def test_where_lower_is_better_a_rise_counts() -> None:
    draw = np.random.default_rng(0)
    low, high = draw.normal(1.0, 0.1, 40), draw.normal(1.5, 0.1, 40)
    column = Column("errors", "edits/char", higher_is_better=False)
    a, b = side("a", spread(low), column=column), side("b", spread(high), column=column)
    (found,) = judge(a, b, [Limit("errors", 0.2)])
    assert found.verdict == "regression"
    assert found.drop.value == pytest.approx(high.mean() - low.mean())
    assert judge(b, a, [Limit("errors", 0.0)])[0].verdict == "pass"


def test_seeds_are_averaged_within_a_prompt_and_prompts_paired() -> None:
    a = side("a", {f"p{i}": [i, i + 2.0] for i in range(10)})
    b = side("b", {f"p{i}": [i + 1.0] for i in reversed(range(12))})
    (found,) = judge(a, b, [Limit("quality", 0.5)])
    assert (found.drop.value, found.prompts, found.verdict) == (0.0, 10, "pass")


def test_a_relative_margin_counts_the_uncertainty_of_the_baseline() -> None:
    draw = np.random.default_rng(1)
    values = draw.gamma(1.0, 10.0, 30)
    a, b = side("a", spread(values)), side("b", spread(values * 0.9))
    (found,) = judge(a, b, [Limit("quality", 0.1, relative=True)])
    assert found.verdict == "pass", "the ratio is the same for every prompt: nothing is uncertain"
    (other,) = judge(a, side("b", spread(draw.permutation(values) * 0.9)), [Limit("quality", 0.1, relative=True)])
    assert other.verdict == "cannot tell"


def test_missing_scores_stand_in_the_way_of_a_pass_and_not_of_a_regression() -> None:
    draw = np.random.default_rng(2)
    whole = draw.normal(5, 0.1, 40)
    holes = np.where(np.arange(40) % 4 == 0, np.nan, whole - 1)
    a, b = side("a", spread(whole)), side("b", spread(holes))
    limit = [Limit("quality", 2.0)]
    (found,) = judge(a, b, limit)
    assert (found.verdict, found.prompts, found.coverage) == ("cannot tell", 30, 0.75)
    assert found.reason == "only 30 of 40 prompts have a score in both runs: the engine broke"
    assert judge(a, b, limit, coverage=0.7)[0].verdict == "pass"
    assert judge(a, b, [Limit("quality", 0.5)])[0].verdict == "regression"


def test_yes_or_no_that_never_differed_is_no_proof_of_equality() -> None:
    column = Column("scene", "share")
    ones = np.ones(20)
    a, b = side("a", spread(ones), column=column), side("b", spread(ones), column=column)
    (found,) = judge(a, b, [Limit("scene", 0.05)])
    assert found.verdict == "cannot tell", "other pictures: one in eight could differ and none of 20 show it"
    assert found.drop.high == pytest.approx(2.079614 * math.sqrt(2 / 21 / 22), abs=1e-6)
    enough = 20 + math.ceil(found.more)
    more = [side(name, spread(np.ones(enough)), column=column) for name in "ab"]
    assert judge(*more, [Limit("scene", 0.05)])[0].verdict == "pass"
    assert judge(a, a, [Limit("scene", 0.05)])[0].verdict == "pass", "the very same pictures"


def gated(a: Sequence[float], b: Sequence[float], unit: str, margin: float, *, better: bool = True) -> GateFinding:
    column = Column("q", unit, higher_is_better=better)
    (found,) = judge(*(side(n, spread(np.array(v)), column=column) for n, v in (("a", a), ("b", b))), [Limit("q", margin)])
    return found


def test_six_prompts_that_do_not_vary_settle_nothing_anywhere_on_the_scale() -> None:
    assert gated([0.88] * 6, [0.88] * 6, "similarity", 0.05).verdict == "cannot tell"
    assert gated([0.5] * 6, [0.4] * 6, "similarity", 0.05).verdict == "cannot tell"
    assert gated([0.5] * 200, [0.2] * 200, "similarity", 0.05).verdict == "regression"
    assert gated([0.2, 0.8], [0.8, 0.2], "similarity", 0.05).drop == (0, -1, 1)


def test_a_count_that_does_not_vary_has_no_worst_end_and_cannot_be_told() -> None:
    found = gated([0.0] * 8, [0.0] * 8, "edits", 1.0, better=False)
    assert (found.verdict, found.reason) == ("cannot tell", "how much chance is in it is not known")


def test_a_plan_counts_a_spread_of_rounding_errors_as_none() -> None:
    shifted = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = gated(shifted + 0.1, (shifted - 0.1) + 0.2, "similarity", 0.05)
    assert found.unchanged > 50
    assert 20 < found.more < math.inf
    close = gated([0.88] * 6, [0.88] * 6, "similarity", 0.001)
    assert close.hopeless
    assert sentence(close).endswith("more than 20 times as many prompts would settle this one, if the drop seen is the true one")
    assert math.isinf(gated([0.88] * 6, [0.88] * 6, "similarity", 0.0).more)


def test_sets_are_judged_by_halves_of_the_same_prompts() -> None:
    draw = np.random.default_rng(3)
    noise = draw.normal(0, 0.5, 200)
    column = Column("fid", "distance", higher_is_better=False)
    about = {"drawn": "abc", "prompts": 100}
    values = spread(np.zeros(20))
    a = side("a", values, column=column, value=20.0, draws=list(20 + noise), **about)
    b = side("b", values, column=column, value=25.0, draws=list(25 + noise + draw.normal(0, 0.1, 200)), **about)
    assert [judge(a, b, [Limit("fid", m)])[0].verdict for m in (1.0, 10.0)] == ["regression", "pass"]
    shares = [judge(a, b, [Limit("fid", m, relative=True)])[0].verdict for m in (0.1, 0.25, 0.5)]
    assert shares == ["regression", "cannot tell", "pass"]
    assert judge(a, a, [Limit("fid", 0.0)])[0].verdict == "pass"
    other = side("c", values, column=column, value=25.0, draws=list(25 + noise), drawn="other", prompts=100)
    assert str(judge(a, other, [Limit("fid", 1.0)])[0].reason).startswith("not resampled by the same pictures")
    unlike = side("e", values, column=column, value=25.0, draws=list(25 + noise), drawn="abc", prompts=100, n=400)
    (found,) = judge(side("f", values, column=column, value=20.0, draws=list(20 + noise), n=100, **about), unlike, [Limit("fid", 1.0)])
    assert "100 pictures of 100 prompts against 400 pictures of 100 prompts" in str(found.reason)
    few = {"n": 100, "dimensions": 64, **about}
    a, b = (side(name, values, column=column, value=v, draws=list(v + noise), **few) for name, v in (("a", 20.0), ("b", 25.0)))
    (found,) = judge(a, b, [Limit("fid", 1.0)])
    assert (found.verdict, found.drop.value, math.isnan(found.drop.low)) == ("cannot tell", 5.0, True)
    assert str(found.reason).endswith("below about 1,280 a Fréchet distance prefers the less varied model; kid decides")
    bare = side("d", values, column=column, value=25.0, n=20)
    (found,) = judge(a, bare, [Limit("fid", 1.0)])
    assert (found.verdict, found.drop.value) == ("cannot tell", 5.0)
    assert "how much chance is in it is not known" in str(found.reason)


def test_refusals_must_not_rise_and_other_columns_without_a_better_end_are_refused() -> None:
    draw = np.random.default_rng(4)
    column = Column("refused", "share", None)
    few, many = (side(name, spread((draw.random(200) < p).astype(float)), column=column) for name, p in (("a", 0.05), ("b", 0.5)))
    assert judge(few, many, [Limit("refusals", 0.1)])[0].verdict == "regression"
    assert judge(many, few, [Limit("refusals", 0.1)])[0].verdict == "pass"
    neutral = side("a", spread(draw.random(20)), column=Column("pixels", "", None))
    with pytest.raises(ConfigError, match="pixels has no better direction, so it cannot be a limit"):
        judge(neutral, neutral, [Limit("pixels", 0.1)])


def test_unlike_scores_and_unlike_prompts_are_refused() -> None:
    a, b = side("a", spread(np.arange(10.0))), side("b", spread(np.arange(10.0)))
    unlike = GateRun("b", "b", {}, b.images, b.scores.assign(fingerprint='{"metric":"x","version":2}'), b.metrics)
    with pytest.raises(ConfigError, match=r"quality differs in version: 1 against 2\. Score both alike with"):
        judge(a, unlike, [Limit("quality", 1.0)])
    other = GateRun("b", "b", {}, b.images.assign(prompt="another"), b.scores, b.metrics)
    with pytest.raises(ConfigError, match=r"prompt 'p000' has different texts in the two runs \(10 of 10 prompts do\)"):
        judge(a, other, [Limit("quality", 1.0)])


def test_a_metric_that_one_run_lacks_cannot_be_told_and_says_how_to_score_it() -> None:
    a, b = side("a", spread(np.arange(10.0))), side("b", spread(np.arange(10.0)), column=Column("other", ""))
    (found,) = judge(a, b, [Limit("quality", 1.0)])
    assert found.verdict == "cannot tell"
    advice = "python -m bench score b 'metric=[quality]' (no preset yet: first write conf/metric/quality.yaml)"
    assert found.reason == f"b has no quality; score it with: {advice}"
    a, b = side("a", spread(np.arange(10.0)), column=Column("refused", "share")), side("b", spread(np.arange(10.0)))
    assert judge(a, b, [Limit("refusals", 1.0)])[0].reason == "b has no refused; score it with: python -m bench score b 'metric=[refusals]'"


ONE = [Limit("quality", 1.0), Limit("quality", 0.1, relative=True)]
"""A margin of 1 of 10, in the metric's unit and as a share."""


def outcomes(drop: float, replicates: int) -> list[dict[str, float]]:
    """Shares of the verdicts by each limit of ``ONE`` where the true drop is ``drop``."""
    draw, seen = np.random.default_rng(6), []
    for _ in range(replicates):
        base = draw.normal(10, 2, 40)
        a, b = side("a", spread(base + draw.normal(0, 1, 40))), side("b", spread(base - drop + draw.normal(0, 1, 40)))
        seen.append([found.verdict for found in judge(a, b, ONE)])
    return [{verdict: each.count(verdict) / replicates for verdict in EXIT_CODES} for each in zip(*seen, strict=True)]


@pytest.mark.slow(seconds=10)
def test_three_ways_come_out_as_often_as_they_should() -> None:
    for clear, sound, edge in zip(outcomes(2.5, 20), outcomes(-0.5, 20), outcomes(1.0, 120), strict=True):
        assert clear["regression"] == 1.0
        assert sound["pass"] == 1.0
        assert edge["cannot tell"] >= 0.9


def test_the_document_of_nothing_known_is_plain_json() -> None:
    a = side("a", spread(np.full(3, np.nan)))
    findings = judge(a, a, [Limit("quality", 1.0)])
    assert json.loads(json.dumps(document(a, a, findings), allow_nan=False))["limits"][0]["reason"] == "the engine broke"
    assert math.isnan(findings[0].drop.value)
    assert stats.MIN_PROMPTS == 6
