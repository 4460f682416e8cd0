"""Breaks lines of bench one at a time and sees whether the tests of their room notice: ``make mutants``.

``support/mutation.py`` says which lines and how. The tests run in a copy of the checkout: first the files that import the
broken module, then the rest of the room's, then the examples of docstrings. A mutant is caught if a test fails, or the
tests hang or end early, and none of it happens without the mutant. One that survives needs its reason in
``tests/mutants.toml``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

from support.mutation import chosen
from support.paths import ROOT

if TYPE_CHECKING:
    from support.mutation import Mutant

SHARE = 0.9
"""How many of the mutants must be caught."""
HANGS_S = 120
"""A single test that takes longer hangs."""
DOCTESTS = "tests/test_doctests.py"
FAST = "not gpu and not network and not contract"


@cache
def imports(file: Path) -> set[str]:
    """What a test file imports of bench: dotted names of modules and of names in them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "bench"}


def tests_for(mutant: Mutant, root: Path) -> list[list[str]]:
    """The test files that import the mutant's module, then the others of its room, then the examples of docstrings."""
    module = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    folder = f"tests/{mutant.room}/"
    tests = {file.relative_to(root).as_posix(): imports(file) for file in sorted((root / "tests").rglob("test_*.py"))}
    near = [name for name, modules in tests.items() if module in modules]
    room = [name for name in tests if name.startswith(folder)] or [n for n, found in tests.items() if f"bench.{mutant.room}" in found]
    return [part for part in (near, [name for name in room if name not in near], [DOCTESTS]) if part]


class Checkout:
    """A copy in which files are broken and mended."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.groups = folder, set[int]()
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, check=True, capture_output=True, text=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)

    def write(self, file: str, data: bytes) -> None:
        """Replace a module, and drop what Python compiled of it."""
        path = self.root / file
        path.write_bytes(data)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def failing(self, tests: list[str], marks: str) -> str:
        """The first test that fails, or how the tests hang or end early; "" if all pass or if they were killed, as for want of memory."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", marks]
        hangs = ["-o", f"faulthandler_timeout={HANGS_S}", "-o", "faulthandler_exit_on_timeout=true"]
        path = os.pathsep.join((str(self.root), str(self.root / "tests")))
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [*command, *hangs, *tests], cwd=self.root, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
            )  # fmt: skip
            self.groups.add(process.pid)
            code = process.wait()
            self.end()
            output.seek(0)
            text = output.read()
        if code in {0, 5, -signal.SIGKILL}:  # 5: none of these tests is to run
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", text, re.MULTILINE)
        return failed[1] if failed else "a test that hangs" if "Timeout (" in text else f"an end with {code}: {text[-300:]}"

    def end(self) -> None:
        """End what tests left running."""
        while self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.groups.pop(), signal.SIGKILL)

    def catcher(self, mutant: Mutant, marks: str) -> str:
        """What ``failing`` says of the mutant and not without it; "" if there is nothing."""
        plain = (self.root / mutant.file).read_bytes()
        for tests in tests_for(mutant, self.root):
            self.write(mutant.file, mutant.applied(plain))
            try:
                failed = self.failing(tests, marks)
            finally:
                self.write(mutant.file, plain)
            if failed:
                again = [failed.partition("[")[0]] if failed.startswith("tests/") else tests
                if self.failing(again, marks):
                    raise SystemExit(f"{' '.join(again)}: {failed}, without any mutant too")
                return failed
        return ""


def explained(mutant: Mutant, survivors: list[dict[str, str]]) -> str:
    """Why a survivor is harmless, as ``tests/mutants.toml`` has it; "" where it has nothing."""
    same = [s["why"] for s in survivors if (s["file"], s["line"], s["operator"]) == (mutant.file, mutant.source, mutant.operator)]
    return same[0] if same else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rooms", nargs="*", help="only these rooms")
    parser.add_argument("--slow", action="store_true", help="run the long tests too, and break training too")
    parser.add_argument("--list", action="store_true", help="only say which mutants there are")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many copies of the checkout work at a time")
    args = parser.parse_args()
    everywhere = chosen(ROOT, slow=args.slow)
    if strange := set(args.rooms) - {m.room for m in everywhere}:
        parser.error(f"no room {min(strange)!r}; there are {', '.join(sorted({m.room for m in everywhere}))}")
    mutants = [m for m in everywhere if not args.rooms or m.room in args.rooms]
    if args.list:
        print(*mutants, sep="\n")
        return 0
    survivors = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8")).get("survivor", [])
    marks, began, caught, unexplained = FAST if args.slow else f"{FAST} and not long", time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(args.jobs) as pool:
        checkouts = [Checkout(ROOT, Path(folder) / str(i)) for i in range(args.jobs)]
        idle: Queue[Checkout] = Queue()
        for checkout in checkouts:
            idle.put(checkout)

        def tried(mutant: Mutant) -> tuple[Mutant, str]:
            checkout = idle.get()
            try:
                return mutant, checkout.catcher(mutant, marks)
            finally:
                idle.put(checkout)

        try:
            for done, future in enumerate(as_completed([pool.submit(tried, m) for m in mutants]), 1):
                mutant, test = future.result()
                why = "" if test else explained(mutant, survivors)
                caught, unexplained = caught + bool(test), unexplained + (not test and not why)
                end = f"caught by {test}" if test else f"SURVIVED{f', explained: {why}' if why else ''}"
                left = (time.monotonic() - began) / done * (len(mutants) - done) / 60
                print(f"[{done}/{len(mutants)}, {left:.0f} min left] {mutant}: {end}", flush=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for checkout in checkouts:
                checkout.end()
    print(f"{caught} of {len(mutants)} caught, {unexplained} neither caught nor explained")
    return 1 if unexplained or caught < SHARE * len(mutants) else 0


if __name__ == "__main__":
    raise SystemExit(main())
