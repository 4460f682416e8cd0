"""Voting: which pairs are shown, that no vote is lost, who may ask the server, and what the numbers are."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pandas as pd
import pytest
from support.command import bench
from support.runs import render_oracle
from support.voting import ROOT, ServedVote, voted

from bench.analysis import votes as tally
from bench.errors import StoreError
from bench.store import Retraction, Store, Vote
from bench.types import Job, Prompt, PromptSet, Rendered, Request
from bench.voting import ballots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.store import Run

PROMPTS = tuple(Prompt(f"p{i}", f"prompt {i}", "even" if i % 2 == 0 else "odd") for i in range(6))
SET = PromptSet("asked", "1", "en", "none", "here", PROMPTS)


def drawn(results: Path, name: str, seeds: Sequence[int | None] = (0, 1), prompts: Sequence[Prompt] = PROMPTS, mark: str = "") -> Run:
    """A run whose pictures are a few bytes; ``mark`` decides them, else the run's name."""
    run = Store(results).run(name, create=True)
    run.update_info(name=name, label=name)
    for prompt in prompts:
        for seed in seeds:
            data = b"\x89PNG\r\n\x1a\n" + f"{mark or name} {prompt.id} {seed}".encode()
            job = Job(prompt, Request(name, "r", prompt.text, None, seed, 8, 8))
            run.save(job, Rendered("ok", data), prompt_set=SET, environment="e")
    return run


def records(*runs: Run) -> dict[str, Any]:
    return {run.name: run.current() for run in runs}


# -- which pairs are shown ---------------------------------------------------------------------------------------------------


def test_pictures_meet_by_seed_where_both_have_it_and_by_order_elsewhere(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0, 1, 2), PROMPTS[:1]), drawn(tmp_path, "b", (7, 2, 1), PROMPTS[:1])
    made, identical = ballots.all_ballots(records(b, a))
    seeds = {run.name: {r.request.id: r.request.seed for r in run.current()} for run in (a, b)}
    met = [(seeds["a"][x.a.request_id], seeds["b"][x.b.request_id]) for x in made]
    assert met == [(1, 1), (2, 2), (0, 7)]
    assert [x.turn for x in made] == [0, 1, 2]
    assert identical == 0
    assert {x.pair for x in made} == {("a", "b")}, "whatever order the runs were named in"


def test_pictures_that_are_the_same_file_are_no_ballot_and_are_counted(tmp_path: Path) -> None:
    runs = [drawn(tmp_path, "a"), drawn(tmp_path, "b", mark="a"), drawn(tmp_path, "c")]
    made, identical = ballots.all_ballots(records(*runs))
    assert identical == 12
    assert Counter(x.pair for x in made) == {("a", "c"): 12, ("b", "c"): 12}


def test_refused_pictures_and_another_text_under_the_same_id_are_no_ballot(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,), [replace(PROMPTS[0], text="another"), *PROMPTS[1:3]])
    b.save(Job(PROMPTS[1], Request("b", "r", PROMPTS[1].text, None, 0, 8, 8)), Rendered("refused"), prompt_set=SET, environment="e")
    made, _ = ballots.all_ballots(records(a, b))
    assert [x.prompt_id for x in made] == ["p2"]


def test_every_pair_of_runs_gets_equal_votes_early_and_every_prompt_comes_before_any_comes_twice(tmp_path: Path) -> None:
    made, _ = ballots.all_ballots(records(*(drawn(tmp_path, name) for name in "abcd")))
    assert len(made) == 6 * 12
    for rater in ("Ana", "Ben"):
        order = ballots.rater_queue(made, seed=3, rater=rater)
        assert sorted(x.id for x in order) == sorted(x.id for x in made)
        for start in range(0, len(order), 6):
            assert len({x.pair for x in order[start : start + 6]}) == 6
        assert {x.turn for x in order[:36]} == {0}


def test_a_queue_and_its_sides_depend_on_seed_and_rater_and_on_nothing_else(tmp_path: Path) -> None:
    made, _ = ballots.all_ballots(records(*(drawn(tmp_path, name) for name in "abc")))
    order = ballots.rater_queue(made, seed=0, rater="Ana")
    assert ballots.rater_queue(list(reversed(made)), seed=0, rater="Ana") == order
    assert ballots.rater_queue(made, seed=0, rater="Ben") != order
    assert ballots.rater_queue(made, seed=1, rater="Ana") != order
    sides = [ballots.left_run(x, seed=0, rater="Ana") for x in order]
    assert sides == [ballots.left_run(x, seed=0, rater="Ana") for x in order]
    assert sides != [ballots.left_run(x, seed=0, rater="Ben") for x in order]
    assert 0.25 < sides.count("a") / len(sides) < 0.75


def test_a_limited_session_shows_every_rater_the_same_balanced_ballots(tmp_path: Path) -> None:
    made, _ = ballots.all_ballots(records(*(drawn(tmp_path, name) for name in "abc")))
    few = ballots.select_ballots(made, seed=0, limit=12)
    assert set(Counter(x.pair for x in few).values()) == {4}
    assert {x.id for x in ballots.rater_queue(few, seed=0, rater="Ana")} == {x.id for x in ballots.rater_queue(few, seed=0, rater="Ben")}


# -- no vote is lost ---------------------------------------------------------------------------------------------------------


def said(number: int, rater: str = "Ana", **more: Any) -> Vote:
    more = {"choice": "a", "left": "b", "seconds": 2.5, **more}
    return Vote(f"vote-{number:04}", f"ballot-{number}", "s", rater, "p0", "a", "b", "ra", "rb", "sa", "sb", created="now", **more)


def test_a_vote_comes_back_as_it_was_given(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    assert store.votes() == []
    assert store.vote_book().add(said(1))
    assert store.vote_book().add(said(2, "Bén", choice="bad", seconds=math.nan))
    first, second = store.votes()
    assert first == said(1)
    assert (second.rater, second.choice, math.isnan(second.seconds)) == ("Bén", "bad", True)
    assert [json.loads(line)["schema_version"] for line in (tmp_path / "new" / "votes.jsonl").read_text().splitlines()] == [1, 1]


def test_a_vote_sent_twice_is_one_and_a_second_opinion_of_the_same_rater_does_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.vote_book().add(said(1))
    assert store.vote_book().add(said(1)), "the same vote again: it is safe"
    assert not store.vote_book().add(replace(said(1), id="vote-other", choice="b"))
    assert store.vote_book().add(replace(said(1), id="vote-ben", rater="Ben"))
    assert [(v.rater, v.choice) for v in store.votes()] == [("Ana", "a"), ("Ben", "a")]
    assert len((tmp_path / "votes.jsonl").read_text().splitlines()) == 2


def test_a_vote_taken_back_does_not_count_and_may_be_given_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.vote_book().add(said(1))
    assert not store.vote_book().add(Retraction("undo-0000", "vote-0001", "Ben")), "nobody takes back the vote of another"
    assert store.vote_book().add(Retraction("undo-0001", "vote-0001", "Ana"))
    assert store.vote_book().add(Retraction("undo-0001", "vote-0001", "Ana")), "the same once more: it is safe"
    assert not store.vote_book().add(Retraction("undo-0002", "vote-0001", "Ana"))
    assert store.votes() == []
    assert store.vote_book().add(said(1)), "its line is there already"
    assert store.votes() == [], "a late copy of a vote that was taken back does not bring it back"
    assert store.vote_book().add(replace(said(1), id="vote-again", choice="tie"))
    assert [v.choice for v in store.votes()] == ["tie"]


def test_a_torn_last_line_is_no_vote_and_is_cut_off_by_the_next(tmp_path: Path) -> None:
    store, file = Store(tmp_path), tmp_path / "votes.jsonl"
    store.vote_book().add(said(1))
    with file.open("ab") as handle:
        handle.write(b'{"schema_version": 1, "kind": "vote", "id": "half')
    assert store.votes() == [said(1)]
    store.vote_book().add(said(2))
    assert store.votes() == [said(1), said(2)]
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["vote-0001", "vote-0002"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"schema_version": 99, "kind": "vote"}', "newer fluxbench"),
        ("{half", "line 2, is damaged"),
        ('{"schema_version": 1, "kind": "shout"}', "line 2, is damaged"),
        (json.dumps({"schema_version": 1, "kind": "vote", **vars(said(2)), "choice": "c"}), "line 2, is no vote"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, message: str) -> None:
    store = Store(tmp_path)
    store.vote_book().add(said(1))
    with (tmp_path / "votes.jsonl").open("a") as handle:
        handle.write(line + "\n")
    with pytest.raises(StoreError, match=message):
        store.votes()


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path

    from bench.store import Store, Vote

    book = Store(Path(sys.argv[1])).vote_book()
    for i in range(int(sys.argv[3])):
        vote = Vote(f"{sys.argv[2]}-{i:06}", f"ballot-{i}", "s", "Ana", "p0", "a", "b", "ra", "rb", "sa", "sb", "a", "a", 1.0, "now")
        if book.add(vote):
            print(vote.id, flush=True)
    """
)


def writer(results: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(results), name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def test_kill_9_loses_no_vote_that_was_called_kept(tmp_path: Path) -> None:
    kept: list[str] = []
    for turn in range(3):
        with writer(tmp_path / str(turn), f"writer{turn}", 100_000) as child:
            assert child.stdout is not None
            kept = [child.stdout.readline().strip() for _ in range(40)]
            child.send_signal(signal.SIGKILL)
            kept += child.stdout.read().split()
        assert child.returncode == -signal.SIGKILL
        there = [v.id for v in Store(tmp_path / str(turn)).votes()]
        assert there[: len(kept)] == kept
        assert len(there) <= len(kept) + 1, "one may be on disk that nobody was told of"


def test_two_processes_share_the_file_and_only_one_of_them_gets_a_ballot(tmp_path: Path) -> None:
    children = [writer(tmp_path, name, 60) for name in ("writer-one", "writer-two")]
    kept = [line for child in children for line in child.communicate()[0].split()]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(kept) == sorted(v.id for v in Store(tmp_path).votes())
    assert Counter(v.ballot for v in Store(tmp_path).votes()) == {f"ballot-{i}": 1 for i in range(60)}


# -- who may ask the server --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of the oracle that differ by their seeds."""
    folder = tmp_path_factory.mktemp("served") / "results"
    for label, seeds in {"maple": (0, 1), "birch": (2, 3), "cedar": (4, 5)}.items():
        render_oracle(folder, limit=3, label=label, seeds=seeds)
    return folder


@pytest.fixture(scope="module")
def served(results: Path) -> Iterator[ServedVote]:
    with ServedVote(results) as server:
        yield server


def test_nothing_is_told_without_the_token(served: ServedVote) -> None:
    root = f"http://127.0.0.1:{served.port}"
    for path in ("/", "/state", f"/{served.token[:-1]}/", f"/{served.token}x/state", "/favicon.ico", f"/x/../{served.token[:8]}"):
        answer = httpx2.get(root + path)
        assert answer.status_code == 403, path
        assert served.token not in answer.text
    assert httpx2.get(root + f"/{served.token}").headers["location"] == f"/{served.token}/"
    assert served.get("state").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""])
def test_another_host_name_is_refused(served: ServedVote, host: str) -> None:
    assert served.get("state", headers={"Host": host.format(port=served.port)}).status_code == 403
    assert served.get("state", headers={"Host": f"localhost:{served.port}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_post_that_is_not_the_pages_own_is_refused(served: ServedVote, headers: dict[str, str]) -> None:
    before = len(served.votes())
    ballot = served.state("Eve")["ballots"][0]
    assert served.post("vote", served.choice("Eve", ballot), headers=headers).status_code == 403
    assert httpx2.post(served.url + "vote", json=served.choice("Eve", ballot)).status_code == 403, "an Origin is needed"
    assert len(served.votes()) == before


def test_other_sites_may_open_the_page_and_load_nothing_of_it(served: ServedVote) -> None:
    for path in ("state", "page.js", f"picture/{served.state('Eve')['ballots'][0]['left']}"):
        assert served.get(path, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert served.get("", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_answers_carry_a_strict_policy_and_the_page_refers_to_nothing_else(served: ServedVote) -> None:
    for path in ("", "page.js", "page.css", "state"):
        answer = served.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert "http:" not in answer.text
        assert "https:" not in answer.text
    assert "<style" not in served.get("").text
    assert "onclick" not in served.get("").text


def test_a_picture_and_its_name_do_not_tell_which_run_made_it(served: ServedVote, results: Path) -> None:
    state = served.state("Eve")
    names = [*Store(results).runs(), "maple", "birch", "cedar"]
    assert not [name for name in names if name in json.dumps(state)]
    for ballot in state["ballots"]:
        for side in ("left", "right"):
            answer = served.get(f"picture/{ballot[side]}")
            assert answer.status_code == 200
            assert not {"etag", "last-modified", "content-disposition"} & set(answer.headers)
    names_of_pictures = [ballot[side] for ballot in state["ballots"] for side in ("left", "right")]
    assert len(set(names_of_pictures)) == len(names_of_pictures), "a picture has another name in every pair"
    assert served.get("picture/0123456789abcdef").status_code == 410


# -- a session over HTTP -----------------------------------------------------------------------------------------------------


def test_a_vote_is_on_disk_when_it_is_answered_and_means_the_picture_that_was_on_that_side(served: ServedVote, results: Path) -> None:
    for choice in ("left", "right", "tie", "bad"):
        ballot = served.state("Bea")["ballots"][0]
        shown = {side: hashlib.sha256(served.get(f"picture/{ballot[side]}").content).hexdigest() for side in ("left", "right")}
        answer = served.post("vote", served.choice("Bea", ballot, choice))
        assert answer.status_code == 200
        vote = Store(results).votes()[-1]
        assert (vote.rater, vote.ballot, vote.seconds) == ("Bea", ballot["id"], 1.5)
        hashes = {vote.a_sha256, vote.b_sha256}
        assert hashes == set(shown.values())
        if choice in shown:
            assert shown[choice] == (vote.a_sha256 if vote.choice == "a" else vote.b_sha256)
        else:
            assert vote.choice == choice
        assert shown["left"] == (vote.a_sha256 if vote.left == "a" else vote.b_sha256)
        assert ballot["id"] not in {b["id"] for b in answer.json()["ballots"]}


def test_a_vote_that_comes_again_is_answered_as_kept_and_counted_once(served: ServedVote) -> None:
    ballot = served.state("Cyd")["ballots"][0]
    vote = served.choice("Cyd", ballot)
    first, again = served.post("vote", vote).json(), served.post("vote", vote).json()
    assert first["done"] == again["done"] == 1
    other = served.post("vote", {**served.choice("Cyd", ballot), "choice": "right"}).json()
    assert (other["done"], other["counts"]) == (1, False)


def test_undo_brings_the_ballot_back(served: ServedVote) -> None:
    ballot = served.state("Dan")["ballots"][0]
    vote = served.choice("Dan", ballot)
    served.post("vote", vote)
    assert served.state("Dan")["last"] == {"vote": vote["id"], "ballot": ballot}
    back = served.post("undo", {"id": "undo-dan-1", "rater": "Dan", "vote": vote["id"]}).json()
    assert (back["done"], back["ballots"][0], back["last"]) == (0, ballot, None)


@pytest.mark.parametrize(
    "change",
    [{"ballot": "none"}, {"choice": "first"}, {"choice": ["left"]}, {"rater": ""}, {"rater": "x" * 41}, {"rater": "a\u0000b"},
     {"id": "x"}, {"id": None}],
)  # fmt: skip
def test_a_vote_that_makes_no_sense_is_refused_for_good(served: ServedVote, change: dict[str, Any]) -> None:
    vote = {**served.choice("Flo", served.state("Flo")["ballots"][0]), **change}
    answer = served.post("vote", vote)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert served.state("Flo")["done"] == 0


def test_what_is_no_json_object_or_too_long_is_refused(served: ServedVote) -> None:
    for body in (b"", b"[1]", b"{", b'{"id":"' + b"x" * 9000 + b'"}', b"[" * 8000):
        assert served.post("vote", body).status_code == 422


def test_odd_seconds_are_no_measurement(served: ServedVote, results: Path) -> None:
    for seconds in (-1, 1e9, "3", None, True):
        ballot = served.state("Gus")["ballots"][0]
        assert served.post("vote", {**served.choice("Gus", ballot), "seconds": seconds}).status_code == 200
        assert math.isnan(Store(results).votes()[-1].seconds)


@pytest.mark.slow
def test_the_tally_is_told_only_when_everything_is_judged(served: ServedVote) -> None:
    assert served.get("tally?rater=Hal").status_code == 422
    while state := served.state("Hal")["ballots"]:
        served.post("vote", served.choice("Hal", state[0]))
    rows = served.get("tally?rater=Hal").json()["rows"]
    assert {row["run"] for row in rows} == {"maple", "birch", "cedar"}
    assert [row["rank"] for row in rows] == [1, 2, 3]


@pytest.mark.slow
def test_a_restart_keeps_address_queue_and_votes_and_its_key_is_for_the_owner_alone(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for label, seeds in {"first": (0,), "second": (2,)}.items():
        render_oracle(results, limit=4, label=label, seeds=seeds)
    with ServedVote(results, "--rater", "Ana") as server:
        first = server.state("Ana")
        assert server.get("state?rater=Ben").status_code == 422, "this session is Ana's"
        server.post("vote", server.choice("Ana", first["ballots"][0]))
        address = server.url
        server.kill()
    (key,) = results.glob(".vote-*/*.json")
    assert key.stat().st_mode & 0o077 == 0
    with ServedVote(results, "--rater", "Ana") as server:
        assert server.url == address
        again = server.state("Ana")
        assert (again["done"], again["total"]) == (1, 4)
        assert again["ballots"] == first["ballots"][1:]
        out, err = server.stop()
    assert "human preference, 1 votes on 1 prompts" in out
    assert str(results / "votes.jsonl") in err
    assert "python -m bench compare" in err


@pytest.mark.slow
def test_a_picture_that_was_made_anew_meanwhile_is_passed_over(tmp_path: Path) -> None:
    results = tmp_path / "results"
    runs = [render_oracle(results, limit=3, label=label, seeds=(seed,)) for label, seed in (("first", 0), ("second", 2))]
    with ServedVote(results) as server:
        state = server.state("Ana")
        run = runs[0]
        record = next(r for r in run.current() if r.request.prompt == state["ballots"][0]["prompt"])
        run.image_path(record).write_bytes(run.image_path(record).read_bytes() + b"x")
        assert 410 in {server.get(f"picture/{state['ballots'][0][side]}").status_code for side in ("left", "right")}
        after = server.state("Ana")
        assert after["total"] == 2
        assert after["ballots"] == state["ballots"][1:]


def test_a_vote_on_a_picture_that_is_made_anew_before_it_arrives_is_kept_and_does_not_count(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    with ServedVote(tmp_path) as server:
        ballot = server.state("Ana")["ballots"][0]
        prompt = next(p for p in PROMPTS if p.text == ballot["prompt"])
        job = Job(prompt, Request("a", "r", prompt.text, None, 0, 8, 8))
        a.save(job, Rendered("ok", b"\x89PNG\r\n\x1a\nanother"), prompt_set=SET, environment="e")
        answer = server.post("vote", server.choice("Ana", ballot))
    assert (answer.status_code, answer.json()["counts"]) == (200, True)
    labels = {"a": a, "b": b}
    table = tally.votes_frame(Store(tmp_path).votes(), labels, tally.pictures(labels))
    assert list(table["status"]) == ["picture changed"]


# -- the verb ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "needs two runs; name another one. Available: b, c, empty, other"),
        (["a", "a"], "run a is given twice"),
        (["a", "bb"], "unknown run 'bb'"),
        (["a", "other"], "no prompt in common"),
        (["a", "c"], "same files"),
        (["a", "empty"], "empty: no picture to show"),
        (["a", "b", "--categories", "evn"], "did you mean 'even'?"),
        (["a", "b", "--limit", "0"], "--limit 0 must be"),
        (["a", "b", "--votes", "-1"], "--votes -1 must be"),
        (["a", "b", "--rater", " "], "--rater: a rater's name"),
        (["a", "b", "--port", "70000"], "--port 70000"),
    ],
)
def test_what_cannot_be_voted_on_is_explained(words: list[str], message: str, tmp_path: Path) -> None:
    drawn(tmp_path, "a")
    drawn(tmp_path, "b")
    drawn(tmp_path, "c", mark="a")
    drawn(tmp_path, "other", prompts=[Prompt("q", "something else")])
    drawn(tmp_path, "empty", prompts=[])
    vote = bench(["vote", *words, "--results", str(tmp_path), "--no-browser"], tmp_path)
    assert vote.returncode == 2
    assert message in " ".join(vote.stderr.split())
    assert "Traceback" not in vote.stderr


def test_the_summary_needs_no_server(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    words = ["vote", "a", "b", "--results", str(tmp_path), "--summary"]
    none = bench(words, tmp_path)
    assert none.returncode == 0
    assert "no votes yet" in none.stdout
    for vote in voted(a, b, "aaaatb"):
        Store(tmp_path).vote_book().add(vote)
    six = bench(words, tmp_path)
    assert six.returncode == 0
    assert "human preference, 6 votes on 6 prompts" in six.stdout
    assert "75 %" in six.stdout, "four wins and a tie of six"
    assert "no ballot that two people judged" in six.stdout
    swapped = bench(["vote", "b", "a", *words[3:]], tmp_path)
    assert swapped.returncode == 0
    (row,) = [line.split() for line in swapped.stdout.splitlines() if line.split()[:2] == ["b", "a"]]
    assert row[2:10] == ["1", "6", "1", "1", "0", "4", "25", "%"], "the first named is the one spoken of"


# -- the numbers -------------------------------------------------------------------------------------------------------------


METRICS = (("m", 1, "share", True), ("errors", -1, "edits", False), ("latency", 1, "ms", False), ("nobody", 1, "x", None))


def tables(*runs: Run) -> tuple[dict[str, Run], pd.DataFrame, pd.DataFrame]:
    """Labels, ``images`` and ``scores``: metric m is right about p0 to p2, wrong about p3, level at p4, silent on p5."""
    labels = {f"the {run.name}": run for run in runs}
    images = tally.pictures(labels)
    better = dict(zip([p.id for p in PROMPTS], [1.0, 1.0, 1.0, -1.0, 0.0, math.nan], strict=True))
    rows = [
        {"run": row.run, "metric": metric, "value": sign * (better[row.prompt_id] if row.run == "the a" else 0.0),
         "status": "unscored" if math.isnan(better[row.prompt_id]) else "ok", "unit": unit, "higher_is_better": higher,
         "request_id": row.request_id, "prompt_id": row.prompt_id}
        for metric, sign, unit, higher in METRICS
        for row in images.itertuples()
    ]  # fmt: skip
    return labels, images, pd.DataFrame(rows)


def test_preference_is_the_share_of_points_of_a_picture(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    labels, images, scores = tables(a, b)
    votes = [*voted(a, b, "abtx"), *voted(a, b, "atta", rater="Ben")]
    found = tally.vote_frames(votes, labels, images, scores, ["latency"])
    rows = found["scores"].set_index(["run", "prompt_id"])
    assert rows["value"].to_dict() == {
        ("the a", "p0"): 1.0, ("the a", "p1"): 0.25, ("the a", "p2"): 0.5, ("the a", "p3"): 0.75,
        ("the b", "p0"): 0.0, ("the b", "p1"): 0.75, ("the b", "p2"): 0.5, ("the b", "p3"): 0.25,
    }  # fmt: skip
    told = json.loads(rows.loc[("the a", "p3"), "detail"])
    assert told == {"votes": 2, "wins": 1, "ties": 0, "bad": 1, "losses": 0, "raters": ["Ana", "Ben"]}
    assert set(found["scores"]["metric"]) == {"human_preference"}
    assert "a, b" in found["scores"]["fingerprint"].iloc[0]
    assert list(found["votes"]["choice"]) == ["a", "b", "tie", "bad", "a", "tie", "tie", "a"]
    assert set(found["votes"]["a"]) == {"the a"}


def test_a_vote_on_a_picture_that_was_made_anew_counts_nowhere(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    votes = voted(a, b, "aab")
    votes[0] = replace(votes[0], b_sha256="of another picture")
    elsewhere = replace(votes[1], id="vote-else", b="c")
    labels, images, scores = tables(a, b)
    found = tally.vote_frames([*votes, elsewhere], labels, images, scores, ["latency"])
    assert list(found["votes"]["status"]) == ["picture changed", "counted", "counted"]
    assert set(found["scores"]["prompt_id"]) == {"p1", "p2"}
    assert found["ranking"].set_index("run")[["wins", "losses", "n"]].loc["the a"].tolist() == [1, 1, 2]


def test_agreement_with_a_metric_is_the_share_of_decided_votes_for_the_better_score(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    labels, images, scores = tables(a, b)
    found = tally.vote_frames(voted(a, b, "aataaa"), labels, images, scores, ["latency"])["agreement"].set_index("metric")
    assert set(found.index) == {"m", "errors", "human_preference"}, "neither timings nor what has no better end"
    for metric in ("m", "errors"):
        row = found.loc[metric]
        assert row["share"] == pytest.approx(2 / 3), "right on p0 and p1, wrong on p3"
        assert (row["n"], row["prompts"], row["ties"], row["missing"]) == (3, 3, 1, 1)
        assert row["low"] < 2 / 3 < row["high"]


def test_a_metric_that_scores_two_pictures_alike_but_for_the_noise_of_a_batch_agrees_with_nobody(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    labels, images, scores = tables(a, b)
    alike = scores[scores["metric"] == "m"].assign(value=0.3, status="ok")
    alike.loc[alike["run"] == "the b", "value"] += 3e-8
    row = tally.vote_frames(voted(a, b, "aaaaaa"), labels, images, alike, ["latency"])["agreement"].set_index("metric").loc["m"]
    assert (row["ties"], row["n"], row["missing"]) == (6, 0, 0)
    assert math.isnan(row["share"])


def test_agreement_is_a_mean_over_prompts_not_over_votes(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    labels, images, scores = tables(a, b)
    votes = [vote for rater in ("Ana", "Ben", "Cyd") for vote in voted(a, b, "a" if rater != "Ana" else "ab", rater=rater)]
    row = tally.vote_frames(votes, labels, images, scores, ["latency"])["agreement"].set_index("metric").loc["m"]
    assert row["n"] == 4
    assert row["share"] == pytest.approx(0.5), "p0 always, p1 never"


def test_people_agree_as_counted_by_hand(tmp_path: Path) -> None:
    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    labels, images, scores = tables(a, b)
    votes = [*voted(a, b, "abxab"), *voted(a, b, "abtba", rater="Ben")]
    row = tally.vote_frames(votes, labels, images, scores, ["latency"])["agreement"].query("kind == 'raters'").iloc[0]
    assert row["share"] == pytest.approx(3 / 5), "both bad is a tie"
    assert row["n"] == 5
    # ten values: 4 a, 4 b, 2 ties; 4 of 10 in unequal pairs; by chance 2 * (4 * 4 + 4 * 2 + 4 * 2) / (10 * 9)
    assert row["alpha"] == pytest.approx(1 - (4 / 10) / (64 / 90))


def test_without_votes_every_frame_is_empty_and_has_its_columns(tmp_path: Path) -> None:
    labels, images, scores = tables(drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,)))
    found = tally.vote_frames([], labels, images, scores, ["latency"])
    assert {name: len(table) for name, table in found.items()} == {"votes": 0, "scores": 0, "ranking": 0, "agreement": 2, "duels": 0}
    assert found["agreement"]["reason"].str.startswith("no vote").all()
    assert tuple(found["votes"].columns) == tally.VOTES
    assert tuple(found["duels"].columns) == tally.DUELS


def test_the_ranking_orders_runs_by_wins_and_counts_votes(tmp_path: Path) -> None:
    a, b, c = (drawn(tmp_path, name, (0,)) for name in "abc")
    labels, images, scores = tables(a, b, c)
    votes = [*voted(a, b, "aaaaab"), *voted(b, c, "aaaaat"), *voted(a, c, "aaaaaa")]
    ranked = tally.vote_frames(votes, labels, images, scores, ["latency"])["ranking"]
    assert list(ranked["run"]) == ["the a", "the b", "the c"]
    assert list(ranked["rank"]) == [1, 2, 3]
    assert ranked.set_index("run")[["wins", "ties", "losses"]].to_numpy().tolist() == [[11, 0, 1], [6, 1, 5], [0, 1, 11]]
    assert ranked["strength"].sum() == pytest.approx(0, abs=1e-6)
    assert (ranked["low"] <= ranked["strength"]).all()
    assert (ranked["strength"] <= ranked["high"]).all()


def test_votes_are_part_of_the_frames_of_a_comparison(tmp_path: Path) -> None:
    from bench.analysis.frames import frames

    a, b = drawn(tmp_path, "a", (0,)), drawn(tmp_path, "b", (0,))
    for vote in voted(a, b, "aaaata"):
        Store(tmp_path).vote_book().add(vote)
    found = frames([a, b], votes=Store(tmp_path).votes())
    means = found["summary"].query("metric == 'human_preference'").set_index("run")["mean"]
    assert means.to_dict() == pytest.approx({"a": 5.5 / 6, "b": 0.5 / 6})
    assert len(found["votes"]) == 6
    assert list(found["ranking"].query("metric == 'human_preference'")["run"]) == ["a", "b"]
    assert {"votes", "agreement"}.isdisjoint(frames([a, b]))


def test_a_duel_is_a_mean_over_raters_then_over_ballots_and_speaks_of_the_run_named_first() -> None:
    told = [("p0", "one", "a"), ("p0", "one", "a"), ("p0", "one", "tie"), ("p0", "other", "b"), ("p1", "one", "bad")]
    counted = pd.DataFrame(
        [
            {"a": "a", "b": "b", "prompt_id": p, "ballot": f"{p} {n}", "rater": f"r{i}", "choice": said}
            for i, (p, n, said) in enumerate(told)
        ]
    )
    turned = counted.iloc[:1].assign(a="b", b="a", prompt_id="p2", ballot="p2 one")
    points = {"p0": (2.5 / 3 + 0) / 2, "p1": 0.5, "p2": 0.0}
    for order, sign in (("ab", 1), ("ba", -1)):
        found = tally.duels(pd.concat([counted, turned]), order)
        assert set(zip(found["a"], found["b"], strict=True)) == {tuple(order)}
        means = (found["points"] * found["weight"]).groupby(found["prompt_id"]).sum().to_dict()
        assert means == pytest.approx({p: 0.5 + sign * (v - 0.5) for p, v in points.items()})


@pytest.mark.slow
def test_three_people_who_disagree_tell_nothing_of_others_and_two_tell_of_themselves(three: list[Run]) -> None:
    from bench.analysis.frames import frames
    from bench.report.answer import verdict
    from bench.report.sections.votes import section

    a, b, c = three
    both = [vote for rater in ("Ana", "Ben") for vote in voted(a, b, "a" * 40, rater=rater)]
    said = {}
    for name, votes in (("two", both), ("three", [*both, *voted(a, b, "b" * 40, rater="Cyd")]), ("these", both[:40])):
        found = frames([a, b], votes=votes)
        row = found["pairwise"].query("metric == 'human_preference'").iloc[0]
        said[name] = row["verdict"], " ".join(verdict(found).points)
        assert section(found, ["a", "b"])["of_whom"] in said[name][1]
        assert section(found, ["a", "b"])["of_whom"] in verdict(found).alone, "where no points are printed, as in a terminal"
    assert said["two"][0] == said["these"][0] == "better"
    assert "is of these 2 people: intervals are of other prompts, not of other people" in said["two"][1]
    assert "is of this one person" in said["these"][1]
    assert said["three"][0] == "no difference shown", "two of three people are no majority of people"
    assert "Intervals are of other prompts and other people." in said["three"][1]
    mixed = frames(three, votes=[*both, *voted(a, b, "a" * 40, rater="Cyd"), *voted(b, c, "a" * 40)])
    assert "of pairs that fewer than 3 people judged (one by one person), of other prompts only" in " ".join(verdict(mixed).points)


def test_runs_that_never_met_are_not_ranked_together(tmp_path: Path) -> None:
    a, b, c, d = (drawn(tmp_path, name, (0,)) for name in "abcd")
    labels, images, scores = tables(a, b, c, d)
    votes = [*voted(a, b, "aaaaab"), *voted(c, d, "bbbbba")]
    ranked = tally.vote_frames(votes, labels, images, scores, ["latency"])["ranking"]
    assert ranked[["run", "group", "rank"]].to_numpy().tolist() == [["the a", 1, 1], ["the b", 1, 2], ["the d", 2, 1], ["the c", 2, 2]]
    for vote in votes:
        Store(tmp_path).vote_book().add(vote)
    printed = bench(["vote", *"abcd", "--results", str(tmp_path), "--summary"], tmp_path).stdout
    assert "not ranked together: a and b; d and c." in printed
    assert "What is said is of this one person: intervals are of other prompts" in printed


@pytest.fixture
def three(tmp_path: Path) -> list[Run]:
    """Runs a, b and c of 40 prompts."""
    prompts = [Prompt(f"p{i:02}", f"prompt {i}") for i in range(40)]
    return [drawn(tmp_path, name, (0,), prompts) for name in "abc"]


def test_two_runs_are_compared_by_the_votes_between_them_whatever_rivals_they_met(three: list[Run]) -> None:
    from bench.analysis.frames import frames

    a, b, c = three
    weak = [vote for rater in ("Ana", "Ben") for vote in voted(b, c, "a" * 40, rater=rater)]
    found = frames(three, votes=[*voted(a, b, "a" * 22 + "b" * 18), *weak])
    means = found["summary"].query("metric == 'human_preference'").set_index("run")["mean"]
    assert means["b"] > means["a"], "c lent b its points"
    rows = found["pairwise"].query("metric == 'human_preference'").set_index(["a", "b"])
    near = rows.loc[("a", "b")]
    assert (near["mean_a"], near["mean_b"], near["difference"]) == pytest.approx((0.55, 0.45, 0.1))
    assert (near["verdict"], near["n"], near["win"], near["loss"]) == ("no difference shown", 40, 0.55, 0.45)
    assert (rows.loc[("b", "c"), "verdict"], rows.loc[("b", "c"), "mean_a"]) == ("better", 1.0)
    never = rows.loc[("a", "c")]
    assert (never["verdict"], never["reason"], never["n"]) == ("not comparable", "never voted against each other", 0)
    assert math.isnan(never["difference"])


@pytest.mark.slow
def test_nobody_is_the_best_who_has_not_met_every_rival_in_votes(three: list[Run]) -> None:
    from bench.analysis.frames import frames

    a, b, c = three
    votes = [*voted(a, b, "a" * 36 + "b" * 4), *voted(b, c, "a" * 40)]
    best = {
        len(held): frames(three, votes=held)["summary"].query("metric == 'human_preference'").set_index("run")["best"].to_dict()
        for held in (votes, [*votes, *voted(a, c, "a" * 40)])
    }
    assert best == {80: {"a": False, "b": False, "c": False}, 120: {"a": True, "b": False, "c": False}}
