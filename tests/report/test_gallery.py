"""The gallery in a real browser: filters, address, order, blind, zoom, keys; and the thumbnails and data behind it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from PIL import Image, PngImagePlugin
from rich.console import Console
from support.paths import TEMPLATE

from bench.analysis.frames import frames
from bench.core.fingerprint import fingerprint
from bench.core.progress import Progress
from bench.report import thumbnails
from bench.report.gallery import gallery, script_json
from bench.report.page import script, style
from bench.report.text_diff import diff_marks
from bench.store import Run, Store
from bench.types import Column, Job, Prompt, PromptSet, Rendered, Request, ScoreRow, Timing

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MARK = fingerprint("planted", 1)
NASTY = '</script><img src=x onerror="document.title=1"> “sign” & <b>bold</b>'
AHEAD = (0.05, -0.2, 0.0, 0.1, -0.01, 0.3, 0.02, -0.4, 0.15, None)
"""By how much alpha's clip is above beta's, prompt by prompt; None where beta has none."""
PROMPTS = PromptSet("planted", "1", "en", "CC0", "test", tuple(
    Prompt(f"p-{i}", f"a thing number {i}" if i != 3 else NASTY, *(("text", (), ("OPEN",)) if i < 4 else ('<i>"other"</i>',)))
    for i in range(len(AHEAD))
))  # fmt: skip


def drawn(colour: str, size: tuple[int, int] = (96, 64)) -> bytes:
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "a secret of the camera")
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG", pnginfo=told)
    return data.getvalue()


def outcome(label: str, i: int, seed: int) -> Rendered | None:
    """alpha and beta drew prompt 0 alike; gamma was refused, timed out and never asked."""
    if label == "gamma":
        if i == 2:
            return Rendered("refused", error="declined by gamma's server")
        if i == 5:
            return Rendered("timeout", error="no answer in 60 s")
        if i == 7:
            return None
    size = (700, 500) if i == 4 else (96, 64)
    colour = "teal" if i == 0 else f"#{'ABC'['abg'.index(label[0])]}{i}{seed}"
    return Rendered("ok", drawn(colour, size), Timing(latency_s=1.0 + i))


def planted(label: str, i: int) -> float | None:
    if label == "alpha":
        return 0.5
    if label == "gamma":
        return 0.1
    gap = AHEAD[i]
    return None if gap is None else 0.5 - gap


def made(results: Path, label: str, *, first: int = 0) -> Run:
    run = Store(results).run(f"{label}-run", create=True)
    run.update_info(name=run.name, label=label, model=label, hosted=False)
    clip, exact = Column("clip", "cosine"), Column("ocr.exact", "share")
    scores: list[ScoreRow] = []
    for i, prompt in enumerate(PROMPTS.prompts[first:], first):
        for seed in (0, 1):
            rendered = outcome(label, i, seed)
            if rendered is None:
                continue
            job = Job(prompt, Request(label, "1", prompt.text, None, seed, 96, 64))
            record = run.save(job, rendered, prompt_set=PROMPTS, environment="here")
            value = planted(label, i)
            if rendered.status != "ok":
                continue
            scores.append(clip.missing(MARK, "no weights", record) if value is None else clip.scored(MARK, value, record))
            if prompt.expected_text:
                read = "OPIN" if label == "beta" and i == 1 else "OPEN"
                detail = {"regions": [{"expected": "OPEN", "read": read}]}
                scores.append(exact.scored(MARK, float(read == "OPEN"), record, detail))
    run.save_scores(scores)
    return run


def write(runs: list[Run], folder: Path, *, embed: bool = False, progress: Progress | None = None) -> Path:
    """The gallery alone in a page, put together as the report does."""
    folder.mkdir(parents=True, exist_ok=True)
    found = gallery(runs, frames(runs), folder, embed=embed, progress=progress)
    data = f'<script type="application/json" id="gallery-data">{script_json(found)}</script>'
    loader = jinja2.FileSystemLoader(TEMPLATE)
    body = (
        jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined)
        .get_template("sections/pictures.html.j2")
        .render()
    )
    page = folder / "index.html"
    page.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>gallery</title><style>{style()}</style><main>{body}</main>'
        + (data if embed else '<script src="gallery-data.js" defer></script>')
        + f"<script>{script()}</script>"
    )
    return page


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = tmp_path_factory.mktemp("gallery") / "results"
    return [made(results, label) for label in ("alpha", "beta", "gamma")]


@pytest.fixture(scope="module")
def page(runs: list[Run]) -> Path:
    return write(runs, runs[0].path.parent / "comparisons" / "three")


@pytest.fixture
def see(browser: Any, page: Path) -> Callable[[str], Any]:
    """Opens the planted page at an address."""

    def look(address: str = "") -> Any:
        browser.get("about:blank")
        browser.get(page.as_uri() + address)
        return browser

    return look


def all_of(browser: Any, css: str) -> list[Any]:
    return list(browser.find_elements("css selector", css))


def texts(browser: Any, css: str) -> list[str]:
    return [node.text for node in all_of(browser, css)]


def order(browser: Any) -> list[str]:
    """The whole order, also of rows that are not on the screen."""
    found: list[str] = browser.execute_async_script("""
        const done = arguments[0], seen = [];
        let y = 0;
        (function look() {
          scrollTo(0, y);
          requestAnimationFrame(() => requestAnimationFrame(() => {
            for (const row of document.querySelectorAll(".g-row"))
              seen[row.getAttribute("aria-posinset") - 1] = row.querySelector("a").textContent;
            y += innerHeight;
            if (y < document.documentElement.scrollHeight + innerHeight) look(); else done(seen);
          }));
        })();""")
    return found


def choose(browser: Any, field: str, value: str) -> None:
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change', {bubbles: true}))",
        field,
        value,
    )


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def until(browser: Any, condition: str) -> None:
    """Wait for what the page does in its own time."""
    look = f"(function look() {{ if ({condition}) done(); else requestAnimationFrame(look); }})()"
    browser.execute_async_script(f"const done = arguments[0]; {look}")


def address(browser: Any) -> str:
    return str(browser.execute_script("return location.hash"))


def count(browser: Any) -> str:
    return texts(browser, "#g-count")[0]


@pytest.mark.slow
def test_filters_narrow_the_prompts(see: Callable[..., Any]) -> None:
    browser = see()
    assert count(browser) == "10 of 10 prompts"
    choose(browser, "g-category", "text")
    assert order(browser) == ["p-0", "p-1", "p-2", "p-3"]
    choose(browser, "g-category", "")
    choose(browser, "g-show", "text")
    assert order(browser) == ["p-1"]
    choose(browser, "g-show", "refused")
    assert order(browser) == ["p-2"]
    choose(browser, "g-show", "gone")
    assert order(browser) == ["p-2", "p-5"]
    assert {"refused", "timed out"} <= set(texts(browser, ".g-gone b"))
    browser.execute_script("document.querySelectorAll('#g-models input')[2].click()")
    assert count(browser) == "0 of 10 prompts", "gamma's refusals do not count where gamma is not shown"
    assert texts(browser, "#g-none") == ["No prompt fits these filters."]
    choose(browser, "g-show", "")
    assert texts(browser, ".g-row:first-child h4") == ["alpha", "beta"]
    all_of(browser, "#g-q")[0].send_keys("NUMBER 7")
    assert order(browser) == ["p-7"]


@pytest.mark.slow
def test_a_view_is_in_its_address_and_back_undoes(see: Callable[..., Any], page: Path) -> None:
    browser = see()
    choose(browser, "g-category", "text")
    choose(browser, "g-sort", "diff")
    choose(browser, "g-way", "b")
    browser.execute_script("document.querySelectorAll('#g-models input')[2].click()")
    told, shown = address(browser), order(browser)
    assert "category=text" in told
    browser.get("about:blank")
    browser.get(page.as_uri() + told)
    assert order(browser) == shown == ["p-1", "p-2", "p-0", "p-3"]
    assert all_of(browser, "#g-way")[0].get_attribute("value") == "b"
    assert texts(browser, ".g-row:first-child h4") == ["alpha", "beta"]
    browser.get("about:blank")
    browser.get(page.as_uri())
    choose(browser, "g-category", "text")
    choose(browser, "g-show", "refused")
    browser.back()
    assert (count(browser), all_of(browser, "#g-show")[0].get_attribute("value")) == ("4 of 10 prompts", "")
    browser.back()
    assert (count(browser), address(browser)) == ("10 of 10 prompts", "")
    browser.get(page.as_uri() + "#category=nonsense&sort=diff&a=nobody&prompt=none")
    assert count(browser).startswith("10 of 10 prompts"), "what an address says wrongly is passed over"


@pytest.mark.slow
def test_sorting_by_disagreement_finds_where_two_models_differ_most(see: Callable[..., Any]) -> None:
    known = [i for i, gap in enumerate(AHEAD) if gap is not None]
    for way, key in (("a", lambda i: -AHEAD[i]), ("b", lambda i: AHEAD[i]), ("", lambda i: -abs(AHEAD[i]))):
        browser = see(f"#sort=diff&metric=clip&a=alpha&b=beta&way={way}")
        assert order(browser) == [f"p-{i}" for i in sorted(known, key=key)] + ["p-9"]
        assert count(browser) == "10 of 10 prompts, 1 without a score last"
    assert "clip: beta ahead by 0.400" in texts(see("#sort=diff&metric=clip&a=alpha&b=beta"), ".g-key")
    browser = see("#sort=score&metric=clip&a=beta&way=low")
    assert order(browser)[:2] == ["p-5", "p-8"]


@pytest.mark.slow
def test_blind_hides_names_and_scores_until_they_are_revealed(see: Callable[..., Any]) -> None:
    browser = see()
    press(browser, "b")
    assert "blind=1" in address(browser)
    html = browser.execute_script("return document.getElementById('g-rows').innerHTML")
    assert not re.search("alpha|beta|gamma|OPIN|cosine|clip", html)
    assert texts(browser, ".g-row:first-child h4") == ["Picture A", "Picture B", "Picture C"]
    places = [node.get_attribute("src") for node in all_of(browser, ".g-row img")][:12]
    browser = see("#blind=1")
    assert [node.get_attribute("src") for node in all_of(browser, ".g-row img")][:12] == places, "the same order every time"
    all_of(browser, ".g-row:first-child .g-meta button")[0].click()
    first = texts(browser, ".g-row:first-child h4")
    assert sorted(first) == ["alpha", "beta", "gamma"]
    assert texts(browser, ".g-row:nth-child(2) h4")[0] == "Picture A"
    all_of(browser, "#g-reveal")[0].click()
    orders = {tuple(texts(browser, f".g-row:nth-child({i}) h4")) for i in range(1, 5)}
    assert len(orders) > 1, "the order differs from prompt to prompt"
    assert texts(browser, ".g-row:first-child h4") == first, "revealing moves nothing"
    all_of(browser, "#g-blind")[0].click()
    assert texts(browser, ".g-row:first-child h4") == ["alpha", "beta", "gamma"]


WHOLE = "matrix(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)"


def transforms(browser: Any) -> set[str]:
    """In tenths of a pixel: a third of the screen has no whole number of them."""
    found = browser.execute_script("return [...document.querySelectorAll('.g-view img')].map(i => getComputedStyle(i).transform)")
    assert len(found) > 1
    return {re.sub(r"-?[\d.]+", lambda n: f"{float(n[0]):.1f}", text) for text in found}


@pytest.mark.slow
def test_zoom_and_pan_are_the_same_for_every_model(see: Callable[..., Any]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser = see("#prompt=p-4")
    views = all_of(browser, ".g-view")
    assert len(views) == 3
    assert transforms(browser) == {WHOLE}
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(views[1], 20, 10), 0, -400).perform()
    zoomed = transforms(browser)
    assert len(zoomed) == 1
    assert not zoomed & {WHOLE}
    ActionChains(browser).drag_and_drop_by_offset(views[2], -40, -25).perform()
    assert len(transforms(browser)) == 1
    assert transforms(browser) != zoomed
    press(browser, "0")
    assert transforms(browser) == {WHOLE}
    press(browser, "+")
    assert texts(browser, "#g-scale") == ["150 %"]
    sources = {image.get_attribute("src").rsplit("/", 1)[-1] for image in all_of(browser, ".g-view img")}
    assert sources == {"p-4_s0.png"}, "the full-size pictures were put in place of the thumbnails"


@pytest.mark.slow
def test_arrows_with_shift_pan_what_is_enlarged(see: Callable[..., Any]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def shifted(*keys: str) -> tuple[float, float]:
        ActionChains(browser, duration=0).key_down(Keys.SHIFT).send_keys(*keys).key_up(Keys.SHIFT).perform()
        (found,) = transforms(browser)
        x, y = (float(n) for n in re.findall(r"-?[\d.]+", found)[4:])
        return x, y

    browser = see("#prompt=p-4")
    assert shifted(Keys.ARROW_RIGHT) == (0, 0), "a whole picture has nothing beyond its edges"
    press(browser, "+", "+")
    (centre,) = transforms(browser)
    x, y = (float(n) for n in re.findall(r"-?[\d.]+", centre)[4:])
    right = shifted(Keys.ARROW_RIGHT)
    assert (right[0] < x, right[1]) == (True, y), "the picture goes left, so that more of its right is seen"
    below = shifted(Keys.ARROW_DOWN)
    assert (below[0], below[1] < y) == (right[0], True)
    assert shifted(Keys.ARROW_LEFT, Keys.ARROW_UP) == pytest.approx((x, y), abs=0.2)
    assert shifted(*30 * [Keys.ARROW_LEFT], *30 * [Keys.ARROW_UP]) == (0, 0), "it ends at the picture's corner"
    all_of(browser, ".g-below")[0].click()
    assert shifted(Keys.ARROW_DOWN)[1] < 0, "also while the list of scores has the focus"
    assert "prompt=p-4" in address(browser), "no other prompt was gone to"
    assert texts(browser, "#g-seeds [aria-pressed=true]") == ["seed 0"]
    press(browser, "?")
    assert any("Shift" in line for line in texts(browser, "#g-keys dt"))


def test_why_a_score_is_missing_can_be_read_where_a_picture_is_enlarged(see: Callable[..., Any]) -> None:
    below = texts(see("#prompt=p-9"), ".g-below")
    assert ["no weights" in text for text in below] == [False, True, False]


@pytest.mark.slow
def test_keys_lead_everywhere(see: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = see()
    focus = "return document.activeElement.closest('.g-row')?.querySelector('a').textContent"
    for key, wanted in (("j", "p-0"), ("j", "p-1"), ("j", "p-2"), ("k", "p-1")):
        press(browser, key)
        assert browser.execute_script(focus) == wanted
    press(browser, Keys.ENTER)
    assert "prompt=p-1" in address(browser)
    press(browser, Keys.ESCAPE)
    until(browser, "!location.hash")
    press(browser, "2")
    assert browser.execute_script("return document.activeElement.getAttribute('aria-label')").startswith("enlarge beta, seed 0")
    press(browser, Keys.ENTER)
    assert "prompt=p-1" in address(browser)
    press(browser, Keys.ARROW_RIGHT)
    assert "prompt=p-2" in address(browser)
    assert "refused" in all_of(browser, ".g-panes")[0].text
    press(browser, Keys.ARROW_LEFT, Keys.ARROW_DOWN)
    assert texts(browser, "#g-seeds [aria-pressed=true]") == ["seed 1"]
    press(browser, "2")
    assert len(all_of(browser, ".g-pane")) == 1
    assert "beta" in all_of(browser, ".g-pane")[0].text
    press(browser, "2", "?")
    assert all_of(browser, "#g-keys")[0].is_displayed()
    press(browser, Keys.ESCAPE, Keys.ESCAPE)
    until(browser, "!document.getElementById('g-zoom').open && !location.hash")
    assert browser.execute_script(focus) == "p-1", "the focus is where it was"
    press(browser, "/", "number 8")
    assert order(browser) == ["p-8"]


@pytest.mark.slow
def test_back_closes_what_was_enlarged_and_a_link_opens_it(see: Callable[..., Any]) -> None:
    browser = see()
    all_of(browser, ".g-row:nth-child(2) .g-picture button")[0].click()
    assert all_of(browser, "#g-zoom")[0].is_displayed()
    browser.back()
    until(browser, "!document.getElementById('g-zoom').open")
    browser = see("#prompt=p-7&category=text")
    assert all_of(browser, "#g-zoom")[0].is_displayed()
    assert "not rendered" in all_of(browser, ".g-panes")[0].text
    assert texts(browser, "#g-place") == ["–"], "a prompt that the filters leave out has no neighbours"


def test_what_differs_in_a_text_is_told_without_colours(see: Callable[..., Any]) -> None:
    browser = see("#show=text")
    marks = browser.execute_script("return [...document.querySelectorAll('.g-ocr del, .g-ocr ins')].map(n => [n.tagName, n.textContent])")
    assert marks[:2] == [["DEL", "missing: E"], ["INS", "added: I"]]
    lines = browser.execute_script(
        "return ['del', 'ins'].map(t => getComputedStyle(document.querySelector('.g-ocr ' + t)).textDecorationLine)"
    )
    assert lines == ["line-through", "underline"]


def test_hostile_words_stay_words(see: Callable[..., Any]) -> None:
    browser = see("#prompt=p-3")
    assert browser.title == "gallery"
    assert texts(browser, "#g-zoom-title") == [NASTY]
    assert all_of(browser, "img[src=x]") == []
    assert '<i>"other"</i>' in texts(see(), "#g-category option")


@pytest.mark.slow
def test_a_phone_shows_models_beside_each_other_and_nothing_sticks_out(see: Callable[..., Any]) -> None:
    browser = see()
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    width = browser.execute_script("return document.querySelector('.g-cell').offsetWidth")
    assert 150 <= width < 240, "one model and part of the next: it can be seen that there are more"
    assert not all_of(browser, "#g-category")[0].is_displayed()
    all_of(browser, "#g-filters")[0].click()
    assert all_of(browser, "#g-category")[0].is_displayed()
    small = browser.execute_script(
        "return [...document.querySelectorAll('.g-bar button, .g-bar select, .g-bar input:not([type=checkbox])')]"
        ".filter(n => n.offsetHeight && n.offsetHeight < 40).map(n => n.id)"
    )
    assert small == []
    all_of(browser, ".g-picture button")[0].click()
    assert browser.execute_script("const z = document.getElementById('g-zoom'); return [z.scrollWidth, z.offsetWidth]") == [360, 360]
    assert len({view.rect["y"] for view in all_of(browser, ".g-view")[:2]}) == 1
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_its_ground(see: Callable[..., Any], dark: bool) -> None:  # noqa: FBT001 - a parameter of the test
    browser = see()
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    weak = browser.execute_script("""
        const rgba = text => { const v = text.match(/[\\d.]+/g).map(Number); return [...v.slice(0, 3), v[3] ?? 1]; };
        const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
          .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const own = node => rgba(getComputedStyle(node).backgroundColor);
        const ground = node => { while (node && !own(node)[3]) node = node.parentElement; return node ? own(node) : [255, 255, 255]; };
        const told = [];
        for (const node of document.querySelectorAll(".g-section *")) {
          if (!node.offsetHeight || ![...node.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
          const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground(node))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) told.push([node.tagName, node.className, node.textContent, ratio]);
        }
        return told;""")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert weak == []


@pytest.mark.slow
def test_only_rows_near_the_screen_exist(browser: Any, report_benchmark: ModuleType, tmp_path: Path) -> None:
    made_up = report_benchmark.synthesise(tmp_path, prompts=600, models=2, edge=96)
    page = write(made_up, tmp_path / "comparisons" / "two")
    opened = report_benchmark.open_page(browser, page)
    assert opened.console == []
    assert opened.nodes < 1500
    shown = browser.execute_script("return [...document.querySelectorAll('.g-row')].map(r => +r.getAttribute('aria-posinset'))")
    assert shown[-1] == 600
    assert len(shown) < 20
    assert browser.execute_script("return document.querySelector('.g-row:last-child').getBoundingClientRect().bottom <= innerHeight + 80")
    browser.get("about:blank")
    browser.get(page.as_uri() + "#prompt=text-00599")
    press(browser, "\ue00c")
    until(browser, "document.activeElement.closest('.g-row')?.getAttribute('aria-posinset') === '600'")


@pytest.mark.slow
def test_rows_stay_where_they_are_while_others_come(see: Callable[..., Any]) -> None:
    browser = see()
    moved = browser.execute_async_script("""
        const done = arguments[0], told = [];
        let steps = 40;
        const top = n => n.getBoundingClientRect().top;
        (function go() {
          const row = [...document.querySelectorAll(".g-row")].find(r => r.getBoundingClientRect().bottom > 200);
          const before = top(row);
          scrollBy(0, 90);
          const stuck = scrollY + innerHeight >= document.documentElement.scrollHeight - 1;
          requestAnimationFrame(() => requestAnimationFrame(() => {
            if (row.isConnected && !stuck) told.push(Math.abs(before - 90 - top(row)));
            if (--steps) go(); else done(told);
          }));
        })();""")
    assert moved
    assert max(moved) < 2


@pytest.mark.slow
def test_a_picture_is_made_small_once_and_kept(runs: list[Run], tmp_path: Path) -> None:
    folder = tmp_path / "page"
    told = io.StringIO()
    page = write(runs, folder, progress=Progress(Console(file=told)))
    assert "thumbnails: " in told.getvalue()
    files = {file.name: file.stat().st_mtime_ns for file in (folder / "thumbs").iterdir() if file.suffix != ".json"}
    shas = {record.sha256 for run in runs for record in run.current() if record.sha256}
    assert {name.split(".")[0] for name in files} == {sha[:16] for sha in shas}
    assert len(shas) < sum(record.status == "ok" for run in runs for record in run.current())
    for name in files:
        with Image.open(folder / "thumbs" / name) as image:
            assert max(image.size) <= thumbnails.EDGE
            assert image.info.keys() <= {"loop", "background", "timestamp", "duration"}
    (folder / "thumbs" / f"{'0' * 16}.png").write_bytes(b"of an earlier run")
    (folder / "thumbs" / "notes.txt").write_text("a person's own")
    lost = next(iter(files))
    (folder / "thumbs" / lost).unlink()
    write(runs, folder)
    again = {file.name: file.stat().st_mtime_ns for file in (folder / "thumbs").iterdir() if file.suffix != ".json"}
    assert again.keys() == files.keys() | {"notes.txt"}
    assert all(again[name] == files[name] for name in files if name != lost)
    assert str(tmp_path) not in page.read_text() + (folder / "gallery-data.js").read_text()


@pytest.mark.slow
def test_runs_of_unlike_prompts_each_show_their_own_pictures(tmp_path: Path) -> None:
    runs = [made(tmp_path, "alpha"), made(tmp_path, "beta", first=1), made(tmp_path, "gamma")]
    folder = write(runs, tmp_path / "comparisons" / "three").parent
    for run in runs:
        for record in (record for record in run.current() if record.sha256 and record.prompt_id != "p-4"):
            with Image.open(folder / "thumbs" / f"{record.sha256[:16]}.png") as shown, Image.open(run.image_path(record)) as drawn:
                assert shown.tobytes() == drawn.tobytes(), (run.name, record.image)


def test_runs_of_one_name_from_two_results_folders_are_told_apart(tmp_path: Path) -> None:
    runs = [made(tmp_path / results, "alpha") for results in ("here", "there")]
    runs[1].image_path(runs[1].current()[3]).unlink()
    page = write(runs, tmp_path / "page")
    text = (page.parent / "gallery-data.js").read_text()
    data = json.loads(text.removeprefix("window.GALLERY = ").removesuffix(";\n"))
    assert [run["name"] for run in data["runs"]] == ["here/alpha-run", "there/alpha-run"]
    assert -1 not in data["pictures"]["file"], "where both have a picture, the first one's is shown"
    assert str(tmp_path) not in text


@pytest.mark.slow
def test_full_size_pictures_are_reached_only_inside_the_results_folder(runs: list[Run], page: Path, tmp_path: Path) -> None:
    tables = frames(runs)
    inside: Any = gallery(runs, tables, page.parent)
    assert [run["base"] for run in inside["runs"]] == ["../../alpha-run", "../../beta-run", "../../gamma-run"]
    assert set(inside["pictures"]["original"].values()) == {"images/p-4_s0.png", "images/p-4_s1.png"}, "small ones are whole already"
    outside: Any = gallery(runs, tables, tmp_path)
    assert [run["base"] for run in outside["runs"]] == [None] * 3
    own: Any = gallery(runs[:1], frames(runs[:1]), runs[0].path / "report")
    assert own["runs"][0]["base"] == ".."


@pytest.mark.slow
def test_a_mailed_page_needs_nothing_beside_it(browser: Any, runs: list[Run], tmp_path: Path) -> None:
    page = write(runs, tmp_path / "mail", embed=True)
    assert [file.name for file in page.parent.iterdir()] == ["index.html"]
    html = page.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert html.count("</script>") == 2
    moved = page.rename(tmp_path / "alone.html")
    browser.get(moved.as_uri())
    assert count(browser) == "10 of 10 prompts"
    seen = "return [...document.images].filter(i => i.naturalWidth).length / document.images.length"
    browser.execute_async_script("Promise.all([...document.images].map(i => i.decode())).then(arguments[0])")
    assert browser.execute_script(seen) == 1
    assert browser.execute_script("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0


def test_a_picture_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    run = made(tmp_path, "alpha")
    run.image_path(run.current()[3]).write_bytes(b"\x89PNG no more")
    run.image_path(run.current()[4]).unlink()
    data: Any = gallery([run], frames([run]), tmp_path / "report")
    words = [data["statuses"][i] for i in data["pictures"]["status"]]
    assert words.count(("picture cannot be read", "failed")) == 2
    assert data["pictures"]["file"].count(-1) == 2


def test_data_keeps_four_digits_and_says_why_a_score_is_missing(page: Path) -> None:
    text = (page.parent / "gallery-data.js").read_text()
    data = json.loads(text.removeprefix("window.GALLERY = ").removesuffix(";\n"))
    clip = next(m for m in data["metrics"] if m["name"] == "clip")
    beta = [i for i, run in enumerate(data["pictures"]["run"]) if run == 1]
    assert [clip["values"][i] for i in beta[:4]] == [0.45, 0.45, 0.7, 0.7]
    assert [data["texts"][why] for why in clip["missing"].values()] == ["no weights"] * 2
    assert data["ocr"][str(beta[2])] == [["=OP", "-E", "+I", "=N"]]
    assert "<" not in text


def test_differences_are_marked_by_word_and_by_letter() -> None:
    assert diff_marks("KAFE", "CAFE") == [["-", "K"], ["+", "C"], ["=", "AFE"]]
    assert diff_marks("I was here", "I here") == [["=", "I"], ["-", "was"], ["=", "here"]]
    assert diff_marks("", "stray") == [["+", "stray"]]


@pytest.mark.slow(seconds=60)
def test_a_report_of_thirty_thousand_pictures_builds_in_a_minute_and_opens_in_three_seconds(
    browser: Any, report_benchmark: ModuleType, tmp_path: Path
) -> None:
    built = report_benchmark.build(tmp_path, report_benchmark.synthesise(tmp_path, prompts=5000, models=6))
    assert built.seconds < 60
    assert built.peak_gib < 2
    opened = report_benchmark.open_page(browser, built.page)
    assert opened.seconds < 3
    assert opened.console == []
