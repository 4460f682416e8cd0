"""A person votes in a real browser: with keys, through a server that is killed, on a phone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.requirements import require
from support.runs import render_oracle
from support.voting import ServedVote

from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

LONG = 30
PATIENCE_S = 20
LOOK = """
const there = id => document.getElementById(id).checkVisibility(), picture = id => document.querySelector(`#${id} img`)?.dataset.name;
return {ballot: there("vote") ? document.getElementById("vote").dataset.ballot : "", left: picture("left"), right: picture("right"),
        ended: there("end"), unsent: Number(document.getElementById("saved").dataset.unsent || 0),
        saved: document.getElementById("saved").textContent, at: document.getElementById("pace").textContent}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voted") / "results"
    for label, seeds in {"maple": (0, 1), "birch": (2, 3), "cedar": (4, 5)}.items():
        render_oracle(folder, limit=6, label=label, seeds=seeds)
    return folder


@pytest.fixture(scope="module")
def chromium(report_benchmark: ModuleType) -> Iterator[Any]:
    """A browser of these tests' own, for the page keeps votes in it."""
    with report_benchmark.browser(require("chromium"), require("chromedriver")) as opened:
        yield opened


def complaints(browser: Any) -> list[Any]:
    """What the browser says against the page, less that a server was away or refused an answer."""
    return [line for line in browser.get_log("browser") if line["source"] != "network"]


class Page:
    """The voting page in a browser; every step waits for what it leads to."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def wait(self, condition: Any) -> Any:
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            return WebDriverWait(self.browser, PATIENCE_S, poll_frequency=0.02).until(lambda _: condition())
        except TimeoutException as error:
            raise AssertionError(f"it never came; at {self.browser.current_url}: {self.look()}") from error

    def find(self, name: str) -> Any:
        return self.browser.find_element("id", name)

    def look(self) -> dict[str, Any]:
        """What is shown now."""
        seen: dict[str, Any] = self.browser.execute_script(LOOK)
        return seen

    def ready(self) -> dict[str, Any]:
        """What is shown once a pair can be judged."""
        seen: dict[str, Any] = self.wait(lambda: (now := self.look())["ballot"] and now)
        return seen

    def ballot(self) -> str:
        """The pair that can be judged now."""
        return str(self.ready()["ballot"])

    def shows(self, ballot: str) -> None:
        self.wait(lambda: self.look()["ballot"] == ballot)

    def all_sent(self) -> None:
        self.wait(lambda: self.look()["unsent"] == 0)

    def press(self, key: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser, duration=0).send_keys(key).perform()

    def moved_on(self, ballot: str) -> None:
        self.wait(lambda: (now := self.look())["ballot"] not in {ballot, ""} or now["ended"])

    def judge(self, key: str) -> str:
        """Press ``key`` for the pair that is shown and wait for the next; the pair."""
        ballot = self.ballot()
        self.press(key)
        self.moved_on(ballot)
        return ballot

    def enter(self, url: str, rater: str) -> None:
        self.browser.get(url)
        self.wait(lambda: self.find("rater").is_displayed())
        self.find("rater").send_keys(rater, "\n")
        self.ballot()


@pytest.mark.slow
def test_thirty_votes_with_the_server_killed_in_the_middle_lose_none(chromium: Any, results: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    keys = [(Keys.ARROW_LEFT, "left"), (Keys.ARROW_RIGHT, "right"), (Keys.ARROW_DOWN, "tie"), ("x", "bad"), (Keys.ARROW_UP, "bad")]
    page, wanted = Page(chromium), {}
    mine = lambda: [v for v in Store(results).votes() if v.rater == "Ana"]  # noqa: E731 - asked again and again
    with ServedVote(results, "--votes", str(LONG), "--rater", "Ana") as server:
        chromium.get(server.url)

        def decide(number: int) -> str:
            """Press the next key and remember what it means: the hash of the picture chosen, or the word."""
            seen, (key, word) = page.ready(), keys[number % 5]
            wanted[seen["ballot"]] = hashlib.sha256(server.get(f"picture/{seen[word]}").content).hexdigest() if word in seen else word
            page.press(key)
            return str(seen["ballot"])

        for number in range(13):
            page.moved_on(decide(number))
        ballot = decide(0)
        server.kill()
        page.moved_on(ballot)
        for _ in range(2):
            wanted[page.judge(keys[2][0])] = "tie"
        page.wait(lambda: "not saved yet: the server is away" in page.look()["saved"])
        assert page.look()["unsent"] >= 2
        assert len(mine()) in {13, 14}, "the last vote before the kill may have arrived"
        address = server.url
        server.start()
        assert server.url == address
        page.all_sent()
        assert len(mine()) == 16
        assert page.look()["at"] == "16 of 30"
        for number in range(16, LONG):
            page.moved_on(decide(number))
        page.wait(lambda: page.look()["ended"])
        assert "all 30 pairs" in page.find("end-text").text
        assert not page.find("tally").is_displayed(), "the tally is shown only to those who ask"
        page.find("reveal").click()
        page.wait(lambda: page.find("tally").is_displayed())
        assert {"maple", "birch", "cedar"} <= set(page.find("rows").text.split())
        out, err = server.stop()
    votes = mine()
    assert len(votes) == len({v.ballot for v in votes}) == len(wanted) == LONG
    meant = {v.ballot: {"a": v.a_sha256, "b": v.b_sha256}.get(v.choice, v.choice) for v in votes}
    assert meant == wanted
    assert all(0 < v.seconds < PATIENCE_S for v in votes)
    assert "human preference, 30 votes" in out
    assert all(label in out for label in ("maple", "birch", "cedar"))
    assert "votes.jsonl" in err
    assert complaints(chromium) == []


@pytest.mark.slow
def test_a_vote_given_while_the_server_is_away_survives_leaving_the_page(chromium: Any, results: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page = Page(chromium)
    with ServedVote(results, "--seed", "7") as server:
        page.enter(server.url, "Bea")
        page.judge(Keys.ARROW_LEFT)
        page.all_sent()
        server.kill()
        away = page.judge(Keys.ARROW_RIGHT)
        page.wait(lambda: page.look()["unsent"] == 1)
        chromium.get("about:blank")
        address = server.url
        server.start()
        assert server.url == address
        chromium.get(server.url)
        page.wait(lambda: page.look()["at"] == "2 of 36")
        votes = [v for v in Store(results).votes() if v.rater == "Bea"]
        assert votes[1].ballot == away
        assert len(votes) == 2
        assert page.ballot() not in {v.ballot for v in votes}


@pytest.mark.slow
def test_arrows_with_shift_pan_what_is_looked_at_closer_and_never_vote(chromium: Any, results: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    page = Page(chromium)

    def shifted(*keys: str) -> list[float]:
        """Where each picture is enlarged about, in shares of its frame; both alike."""
        ActionChains(chromium, duration=0).key_down(Keys.SHIFT).send_keys(*keys).key_up(Keys.SHIFT).perform()
        found = chromium.execute_script(
            "return [...document.querySelectorAll('.frame')].map(frame => getComputedStyle(frame.firstChild).transformOrigin.split(' ')"
            ".map((at, i) => parseFloat(at) / [frame.clientWidth, frame.clientHeight][i]))"
        )
        assert found[0] == pytest.approx(found[1], abs=0.01)
        return list(found[0])

    with ServedVote(results, "--seed", "9", "--rater", "Dan") as server:
        chromium.get(server.url)
        ballot = page.ballot()
        assert shifted(Keys.ARROW_LEFT) == pytest.approx([0.5, 0.5], abs=0.01)
        page.press("z")
        assert shifted(Keys.ARROW_RIGHT) == pytest.approx([0.6, 0.5], abs=0.01)
        assert shifted(Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_LEFT) == pytest.approx([0.4, 0.4], abs=0.01)
        assert shifted(*12 * [Keys.ARROW_DOWN]) == pytest.approx([0.4, 1], abs=0.01)
        assert (page.look()["ballot"], page.look()["unsent"]) == (ballot, 0)
        assert [v for v in Store(results).votes() if v.rater == "Dan"] == []
        page.judge(Keys.ARROW_LEFT)
    assert complaints(chromium) == []


@pytest.mark.slow
def test_undo_buttons_names_and_a_phone(chromium: Any, results: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page = Page(chromium)
    with ServedVote(results, "--seed", "8") as server:
        chromium.get(server.url)
        page.wait(lambda: page.find("vote").is_displayed() or page.find("rater").is_displayed())
        if page.find("vote").is_displayed():  # the browser remembers who voted last at this address
            page.find("who").click()
        page.find("rater").send_keys("   ", "\n")
        page.wait(lambda: "1 to 40 printable letters" in page.find("name-error").text)
        page.find("rater").clear()
        page.find("rater").send_keys("Cléo", "\n")
        first = page.judge(Keys.ARROW_LEFT)
        second = page.ballot()
        page.press("u")
        page.shows(first)
        page.all_sent()
        assert [v for v in Store(results).votes() if v.rater == "Cléo"] == []
        chromium.find_element("css selector", ".choices [data-choice=tie]").click()
        page.shows(second)
        page.all_sent()
        assert [(v.ballot, v.choice) for v in Store(results).votes() if v.rater == "Cléo"] == [(first, "tie")]
        chromium.refresh()
        assert page.ballot() == second
        page.press(Keys.BACKSPACE)
        page.shows(first)
        phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        try:
            assert chromium.execute_script("return document.documentElement.scrollWidth") == 390
            boxes = [b.rect for b in chromium.find_elements("css selector", ".choices button, .picture")]
            assert all(box["width"] >= 44 and box["height"] >= 44 for box in boxes)
            assert all(box["y"] + box["height"] <= 844 for box in boxes), "everything is in reach without scrolling"
            left, right = (page.find(side).rect for side in ("left", "right"))
            assert left["y"] + left["height"] <= right["y"], "one above the other"
        finally:
            chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert not [name for name in (*Store(results).runs(), "maple", "birch", "cedar") if name in chromium.page_source]
    assert complaints(chromium) == []
