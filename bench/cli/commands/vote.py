"""``vote``: people choose between the pictures of runs, blind, on a page of this machine."""

from __future__ import annotations

import argparse
import secrets
import shlex
from typing import TYPE_CHECKING

from bench.cli import options
from bench.core.progress import Progress
from bench.core.terminal import console
from bench.errors import ConfigError, unknown
from bench.store import Store
from bench.store.results import labelled
from bench.voting import ballots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from socket import socket

    from bench.store import Run
    from bench.types import ImageRecord
    from bench.voting.ballots import Ballot
    from bench.voting.session import VotingSession


def main(argv: Sequence[str]) -> int:
    """Serve the voting page until Ctrl-C, or print the votes so far."""
    args = _parser().parse_args(argv)
    store, progress = Store(args.results), Progress()
    runs = _runs(store, args.runs)
    again = shlex.join(["python", "-m", "bench", "compare", *args.runs, "--results", str(args.results)])
    if args.summary:
        from bench.voting import terminal  # noqa: PLC0415 - slow import

        terminal.print_summary(store.votes(), runs, console())
        progress.say(f"report: {again}")
        return 0
    offered, identical = _offer(runs, args)
    session, opened = _session(store, runs, offered, args)
    from bench.voting import server  # noqa: PLC0415 - slow import

    port = opened.getsockname()[1]
    address = f"http://{server.HOST}:{port}/{session.token}/"
    left_out = f" ({identical} more left out: both pictures are the same file)" if identical else ""
    progress.say(f"{len(offered)} pairs of {len(runs)} runs to judge{left_out}; stop with Ctrl-C, the same command continues")
    progress.say(f"vote here: {address}")
    if not args.no_browser:
        server.browse(address)
    server.serve(server.application(session, port), opened)
    progress.say(f"\nvotes are kept in {session.book.path}")
    from bench.voting import terminal  # noqa: PLC0415 - slow import

    console().print(terminal.ranking_table(session.ranking()))
    progress.say(f"report: {again}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench vote", description="Let people choose between the pictures of runs, blind, on a page of this machine."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two or more: a run's folder, name or label")
    options.add_results(parser, "where runs and votes are kept")
    parser.add_argument("--rater", metavar="NAME", help="who votes (default: the page asks)")
    parser.add_argument("--votes", type=int, metavar="N", help="pairs a person judges at most (default: all)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N prompts")
    parser.add_argument("--categories", metavar="A,B", help="only prompts of these categories")
    parser.add_argument("--seed", type=int, default=0, help="decides which pairs are shown, in which order and on which side")
    parser.add_argument("--port", type=int, default=0, help="0: the one of last time if it is free, else any")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.add_argument("--summary", action="store_true", help="print the votes so far and end")
    return parser


def _runs(store: Store, names: Sequence[str]) -> dict[str, Run]:
    """The runs by what reports call them.

    Raises:
        ConfigError: fewer than two runs, or two with one name, by which votes are stored.
    """
    runs = store.find_all(names)
    if len(runs) < 2:
        others = [name for name in store.runs() if name != runs[0].name]
        raise ConfigError(f"a vote needs two runs; name another one. Available: {', '.join(others) or f'none in {store.root}'}")
    labels = labelled(runs)
    folders = [run.name for run in runs]
    double = next((name for name in folders if folders.count(name) > 1), None)
    if double:
        raise ConfigError(f"two of these folders are called {double}; votes are stored by this name, so rename one of them")
    return labels


def _offer(runs: Mapping[str, Run], args: argparse.Namespace) -> tuple[list[Ballot], int]:
    """The ballots that the options choose, and how many were left out because their pictures are equal.

    Raises:
        ConfigError: a bad option, or nothing to show; the message says why.
    """
    for option in ("votes", "limit"):
        if (value := getattr(args, option)) is not None and value < 1:
            raise ConfigError(f"--{option} {value} must be a whole number of at least 1")
    records: dict[str, list[ImageRecord]] = {run.name: run.current() for run in runs.values()}
    everything, identical = ballots.all_ballots(records)
    if not everything:
        raise ConfigError(_why_nothing(records, identical))
    category = {r.prompt_id: r.category for of_run in records.values() for r in of_run}
    shared = {ballot.prompt_id for ballot in everything}
    categories = args.categories.split(",") if args.categories else []
    for name in categories:
        if name not in category.values():
            raise unknown("category", name, set(category.values()))
    kept = frozenset([p for p in category if p in shared and (not categories or category[p] in categories)][: args.limit])
    offered = ballots.select_ballots([b for b in everything if b.prompt_id in kept], seed=args.seed, limit=args.votes)
    if not offered:
        raise ConfigError(f"no prompt of {', '.join(categories)} has a picture in two of these runs")
    return offered, identical


def _why_nothing(records: Mapping[str, Sequence[ImageRecord]], identical: int) -> str:
    if identical:
        return "there is nothing to choose: wherever these runs share a prompt, their pictures are the same files"
    empty = [run for run, of_run in records.items() if not any(r.status == "ok" for r in of_run)]
    if empty:
        return f"{', '.join(empty)}: no picture to show; render it first with: python -m bench run"
    sets = "; ".join(f"{run}: {', '.join(sorted({r.prompt_set for r in of_run}))}" for run, of_run in records.items())
    return f"these runs have no prompt in common that both have a picture of (prompt sets: {sets})"


def _session(store: Store, runs: Mapping[str, Run], offered: list[Ballot], args: argparse.Namespace) -> tuple[VotingSession, socket]:
    """The session and its socket; a session that is served again keeps its address."""
    from bench.voting import server, session  # noqa: PLC0415 - slow import

    book = store.vote_book()
    rater = session.checked_rater(args.rater)
    name = session.session_name([run.name for run in runs.values()], offered, args.seed)
    kept = book.secret(name)
    opened = server.listen(args.port, remembered=kept.get("port"))
    kept = kept or book.secret(name, {"token": secrets.token_urlsafe(32), "port": opened.getsockname()[1]})
    labels = {run.name: label for label, run in runs.items()}
    by_name = {run.name: run for run in runs.values()}
    return session.VotingSession(offered, by_name, labels, book, args.seed, rater, str(kept["token"]), name), opened
