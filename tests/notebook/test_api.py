"""The Python interface: light to import, frames and pictures of runs, and nothing a prompt says becomes HTML."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.paths import ROOT
from support.runs import render_oracle

import bench
from bench import prompts
from bench.analysis.frames import frames
from bench.config import presets
from bench.core.progress import Progress
from bench.engine import score
from bench.engine.importing import write
from bench.engine.plan import jobs_for
from bench.errors import ConfigError
from bench.images.importing import plan_import
from bench.store import Run as Stored
from bench.store import Store
from bench.types import Rendered
from bench.verify import pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

NASTY = '</div><script>alert(1)</script><img src=x onerror="alert(1)"> a “sign” & <b>bold</b> \' "'


def scored(run: Stored) -> Stored:
    with run.lock():
        score.score(run, presets.metrics(["scene", "clip_tiny", "ocr", "latency"]), Progress())
    return run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle's pictures, and the same under noise but for the first prompt, which is refused."""
    folder = tmp_path_factory.mktemp("api") / "results"
    sound = scored(render_oracle(folder, limit=4, label="sound"))
    noisy = Store(folder).run("noisy.tiny.made-here", create=True)
    noisy.update_info(**{**sound.info(), "label": "noisy", "name": noisy.name})
    jobs = {j.key: j for j in jobs_for(presets.provider("tiny-oracle"), prompts.load("tiny").prompts, [0, 1])}
    for record in sound.current():
        made = Rendered("ok", (sound.path / str(record.image)).read_bytes())
        if record.prompt_id == "shape-01":
            made = Rendered("refused", error="<i>not allowed</i>")
        elif record.prompt_id != "shape-02":
            from PIL import Image

            worse = pictures.noisy(Image.open(sound.path / str(record.image)).convert("RGB"), 200)
            data = folder.parent / "noisy.png"
            worse.save(data)
            made = Rendered("ok", data.read_bytes())
        noisy.save(jobs[record.key], made, prompt_set=prompts.load("tiny"), environment=record.environment)
    scored(noisy)
    return folder


def html(shown: object) -> str:
    return str(shown._repr_html_())  # type: ignore[attr-defined]


class Tags(HTMLParser):
    """Every element and the names of its attributes; fails on unbalanced markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_importing_bench_loads_nothing_heavy() -> None:
    code = (
        "import sys, bench; bench.load, bench.compare, bench.runs; "
        "heavy = {'torch', 'pandas', 'numpy', 'hydra', 'PIL', 'rich', 'pyarrow', 'scipy', 'bench.notebook.runs'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr


def test_runs_are_found_by_name_folder_and_label(results: Path) -> None:
    names = bench.runs(results)
    assert [name.partition(".")[0] for name in names] == ["noisy", "sound"]
    assert [bench.load(given, results).name for given in (names[0], "noisy", results / names[0])] == [names[0]] * 3
    with pytest.raises(ConfigError, match="unknown run 'nosy'"):
        bench.load("nosy", results)


def test_a_run_has_the_frames_of_the_report(results: Path) -> None:
    run = bench.load("sound", results)
    tables = frames([run.stored])
    pd.testing.assert_frame_equal(run.images, tables["images"])
    pd.testing.assert_frame_equal(run.scores, tables["scores"])
    pd.testing.assert_frame_equal(run.summary(), tables["summary"])
    assert run.info["label"] == run.label == "sound"
    assert repr(run) == f"Run({run.name!r}, 8 pictures)"


def test_a_run_shows_itself_with_its_counts_summary_and_pictures(results: Path) -> None:
    shown = html(bench.load("noisy", results))
    assert "pictures: 6 ok, 2 refused" in shown
    assert "scene ↑" in shown
    assert shown.count('src="data:image/') == 3
    assert 'alt="a ' in shown
    assert not re.search(r'src="(?!data:)|https?://', shown)
    Tags(shown)


def test_a_prompt_is_shown_with_its_scores_and_what_was_read(results: Path) -> None:
    shown = bench.load("sound", results).show("shape-02")
    assert shown.table["seed"].tolist() == [0, 1]
    assert {"scene", "clip_tiny", "ocr.exact"} <= set(shown.table)
    text = html(shown)
    assert "seed 0" in text
    assert "scene 1.000" in text
    assert "read “DINOSAUR”, asked for “DINOSAUR”" in text
    assert text.count("<figure") == 2
    Tags(text)
    assert "seed" in repr(shown)


def test_what_was_not_made_says_why_and_is_escaped(results: Path) -> None:
    run = bench.load("noisy", results)
    text = html(run.show("shape-01"))
    assert "no picture" in text
    assert "refused" in text
    assert "&lt;i&gt;not allowed&lt;/i&gt;" in text
    with pytest.raises(ConfigError, match="shape-01 has no picture: refused"):
        run.image("shape-01")


def test_an_image_is_the_stored_picture(results: Path) -> None:
    run = bench.load("sound", results)
    row = run.images.query("prompt_id == 'shape-02' and seed == 1").iloc[0]
    from PIL import Image

    with Image.open(run.path / row["image"]) as stored:
        assert run.image("shape-02", 1).tobytes() == stored.convert("RGB").tobytes()
    assert run.image("shape-02").tobytes() == run.image("shape-02", 0).tobytes()
    with pytest.raises(ConfigError, match="unknown seed of shape-02 '7'"):
        run.image("shape-02", 7)
    with pytest.raises(ConfigError, match="unknown prompt 'shape-2'; there are 4, such as shape-02"):
        run.image("shape-2")


def test_failures_are_the_worst_pictures_first(results: Path) -> None:
    run = bench.load("noisy", results)
    worst = run.failures("clip_tiny", 3)
    held = run.scores.query("metric == 'clip_tiny' and status == 'ok'")["value"]
    assert worst.table["clip_tiny"].tolist() == sorted(held)[:3]
    assert html(worst).count("<figure") == 3
    slowest = bench.load("sound", results).failures("latency", 1).table["latency"].iloc[0]
    assert slowest == bench.load("sound", results).images["latency_s"].max(), "where lower is better, the highest is worst"
    with pytest.raises(ConfigError, match=r"unknown metric of pictures 'clip'.*clip_tiny"):
        run.failures("clip")


@pytest.mark.slow
def test_a_comparison_has_the_frames_the_answer_and_the_report(results: Path, tmp_path: Path) -> None:
    both = bench.compare(["sound", bench.load("noisy", results)], results)
    assert both.labels == ("sound", "noisy")
    tables = frames([run.stored for run in both.runs])
    for name, table in (("images", both.images), ("scores", both.scores), ("summary", both.summary), ("pairwise", both.pairwise),
                        ("ranking", both.ranking), ("latency", both.latency), ("cost", both.cost)):  # fmt: skip
        pd.testing.assert_frame_equal(table, tables[name])
    assert both.verdict.answer
    text = html(both)
    Tags(text)
    assert '<th scope="col"' in text
    assert repr(both) == "Comparison(sound, noisy)"
    page = both.report(tmp_path / "report")
    assert page.name == "index.html"
    assert page.is_file()


def test_a_metric_by_prompt_is_the_mean_over_seeds(results: Path) -> None:
    both = bench.compare(["sound", "noisy"], results)
    wide = both.by_prompt("clip_tiny")
    values = both.scores.query("metric == 'clip_tiny' and status == 'ok' and run == 'sound' and prompt_id == 'shape-03'")["value"]
    assert wide.loc["shape-03", "sound"] == pytest.approx(values.mean())
    assert list(wide) == ["category", "prompt", "sound", "noisy"]
    assert pd.isna(wide.loc["shape-01", "noisy"])


def test_disagreements_are_the_prompts_with_the_largest_differences(results: Path) -> None:
    both = bench.compare(["sound", "noisy"], results)
    shown = both.disagreements("clip_tiny", n=2)
    gap = (both.by_prompt("clip_tiny")["sound"] - both.by_prompt("clip_tiny")["noisy"]).abs()
    assert shown.table["prompt_id"].tolist() == gap.sort_values(ascending=False).index[:2].tolist()
    assert html(shown).count("<figure") == 4
    everything = both.disagreements("clip_tiny", "noisy", "sound", n=99).table
    assert "shape-01" not in set(everything["prompt_id"]), "a refused prompt has no difference"
    assert "shape-02" not in set(everything["prompt_id"]), "the same pictures do not differ"
    with pytest.raises(ConfigError, match="unknown run 'nosy'; did you mean 'noisy'"):
        both.disagreements("clip_tiny", "sound", "nosy")
    with pytest.raises(ConfigError, match="compare at least two"):
        bench.compare(["sound"], results).disagreements("clip_tiny")


def test_a_prompt_is_shown_side_by_side(results: Path) -> None:
    text = html(bench.compare(["sound", "noisy"], results).show("shape-03"))
    assert text.count("<figure") == 4
    assert text.index("seed 0") < text.index("seed 1")
    assert text.count("<strong>sound</strong>") == 2
    Tags(text)


@pytest.mark.parametrize(("chosen", "message"), [([], "compare which runs"), (["sound", "sound"], "is given twice")])
def test_what_cannot_be_compared_says_so(chosen: list[str], message: str, results: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        bench.compare(chosen, results)


def test_what_a_prompt_says_is_never_markup(results: Path, tmp_path: Path) -> None:
    source = bench.load("sound", results)
    header = {"name": "nasty", "version": "1", "language": "en", "licence": "CC0", "source": "test"}
    row = {"id": "nasty-1", "text": NASTY, "category": "<i>'quoted'</i>", "expected_text": [NASTY[:9]]}
    (tmp_path / "nasty.jsonl").write_text(json.dumps(header) + "\n" + json.dumps(row) + "\n")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "nasty-1.png").write_bytes((source.path / source.images["image"].iloc[0]).read_bytes())
    wanted = prompts.load(str(tmp_path / "nasty.jsonl"))
    for name in ("<script>one</script>", "<b>two"):
        stored = Store(tmp_path / "results").run(re.sub(r"\W", "", name), create=True)
        write(plan_import(tmp_path / "pictures", wanted), wanted, stored, name=name, provenance={})
        stored.update_info(label=name, description=NASTY)
        with stored.lock():
            score.score(stored, presets.metrics(["ocr"]), Progress())
    both = bench.compare(bench.runs(tmp_path / "results"), tmp_path / "results")
    run = both.runs[0]
    shown = [run, run.show("nasty-1"), run.failures("ocr.ned"), both, both.show("nasty-1")]
    allowed = {"div", "p", "strong", "figure", "figcaption", "img", "table", "thead", "tbody", "tr", "th", "td"}
    for one in shown:
        tags = Tags(html(one)).found
        assert {tag for tag, _ in tags} <= allowed
        assert {name for _, names in tags for name in names} <= {"style", "src", "alt", "title", "scope"}
