"""``make mutants``: which lines it breaks, and that each operator breaks them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import mutants
import pytest
from support.mutation import Mutant, chosen, mutants_of
from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CODE = '''"""A module that is 1 line."""
TABLE = {"a": 1}
LIMIT = 3


@cache(maxsize=4)
def f(a: Literal[5], timeout_s: float = 6, b=True):
    """Not 7."""
    if TYPE_CHECKING:
        return 8
    if a < LIMIT and not b:
        raise ValueError("é" + str(9))
    print(10)
    total = "text" + a
    return [x + 11 for x in a if x == "é"]
'''


def broken(code: str) -> set[tuple[str, str]]:
    """The operators that apply to a line of code, with what becomes of it."""
    data = code.encode()
    return {(m.operator, m.applied(data).decode()) for m in mutants_of("bench/x/y.py", data)}


@pytest.mark.parametrize(
    ("operator", "code", "changed"),
    [
        ("negate", "if a:\n    b()", "if (not a):\n    b()"),
        ("negate", "[a for a in b if a]", "[a for a in b if (not a)]"),
        ("negate", "a if b else c", "a if (not b) else c"),
        ("compare", "a < b", "a <= b"),
        ("compare", "a <= b", "a < b"),
        ("compare", "a > b", "a >= b"),
        ("compare", "a >= b", "a > b"),
        ("compare", "a == b", "a != b"),
        ("compare", "a != b", "a == b"),
        ("plus/minus", "a + b", "a - b"),
        ("plus/minus", "(a - b) * c", "(a + b) * c"),
        ("and/or", "a and b or c", "a or b or c"),
        ("true/false", "f(a=True)", "f(a=False)"),
        ("drop not", "é = not a", "é = (a)"),
        ("plus one", "a[0.5]", "a[1.5]"),
        ("return None", "def f():\n    return a, b", "def f():\n    return None"),
    ],
)
def test_an_operator_changes_the_line(operator: str, code: str, changed: str) -> None:
    assert (operator, changed) in broken(code)


def test_what_no_test_should_see_is_left_alone() -> None:
    seen = {(m.operator, CODE.encode()[m.start : m.end].decode()) for m in mutants_of("bench/x/y.py", CODE.encode())}
    assert seen == {
        ("plus one", "3"), ("true/false", "True"), ("negate", "a < LIMIT and not b"), ("and/or", "a < LIMIT and not b"),
        ("compare", "a < LIMIT"), ("drop not", "not b"), ("return None", '[x + 11 for x in a if x == "é"]'), ("plus/minus", "x + 11"),
        ("plus one", "11"), ("negate", 'x == "é"'), ("compare", 'x == "é"'),
    }  # fmt: skip


@pytest.mark.slow
def test_every_mutant_of_the_checkout_compiles_and_differs_and_every_room_has_one() -> None:
    mutants = chosen(ROOT)
    rooms = {path.name for path in (ROOT / "bench").iterdir() if (path / "__init__.py").is_file()}
    assert len(mutants) >= 40
    assert rooms <= {m.room for m in mutants}
    assert len({(m.file, m.source) for m in mutants}) == len(mutants), "one a line"
    for mutant in mutants:
        data = (ROOT / mutant.file).read_bytes()
        assert mutant.source in data.splitlines()[mutant.line - 1].decode()
        assert ast.dump(ast.parse(mutant.applied(data))) != ast.dump(ast.parse(data)), mutant


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name in ("store/run", "store/votes", "stats/means", "tiny/training/loop"):
        file = tmp_path / "bench" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"def f{i}(a):\n    return a + {i}\n\n\n" for i in range(300)))
    return tmp_path


def test_a_change_in_one_file_leaves_the_choice_in_others_as_it_was(house: Path) -> None:
    before = chosen(house)
    assert {m.room for m in before} == {"store", "stats"}, "training is left to the slow tests"
    assert {m.room for m in chosen(house, slow=True)} == {"store", "stats", "tiny"}
    means, run = house / "bench/stats/means.py", house / "bench/store/run.py"
    means.write_text("import this\n\n" + means.read_text())
    run.write_text("".join(line.replace("a + ", "a - ") for line in run.read_text().splitlines(keepends=True)))
    after = chosen(house)
    assert [(m.source, m.operator) for m in after if m.room == "stats"] == [(m.source, m.operator) for m in before if m.room == "stats"]
    mine = [m for m in before if m.file == "bench/store/votes.py"]
    assert mine
    assert set(mine) <= set(mutants_of("bench/store/votes.py", (house / "bench/store/votes.py").read_bytes()))
    assert [m for m in after if m in mine]


def test_tests_that_import_the_module_come_before_the_others_of_its_room(tmp_path: Path) -> None:
    for name, text in {
        "store/test_a.py": "from bench.store import Run", "store/test_b.py": "from bench.store import votes",
        "cli/test_c.py": "import bench.store.votes", "cli/test_d.py": "from bench.weights import hub",
    }.items():  # fmt: skip
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).write_text(text)

    def tests(file: str) -> list[list[str]]:
        return mutants.tests_for(Mutant(file, 1, "", "", 0, 0, ""), tmp_path)

    assert tests("bench/store/votes.py") == [
        ["tests/cli/test_c.py", "tests/store/test_b.py"],
        ["tests/store/test_a.py"],
        [mutants.DOCTESTS],
    ]
    assert tests("bench/weights/devices.py") == [["tests/cli/test_d.py"], [mutants.DOCTESTS]], "a room without a folder: what imports it"


@pytest.mark.parametrize("end", ["tests/x/test_y.py::test_z", "a test that hangs", "an end with 3: "])
def test_what_happens_without_the_mutant_too_is_no_catch(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("1")
    checkout, ends = object.__new__(mutants.Checkout), [end, end, end, ""]
    checkout.root = tmp_path
    monkeypatch.setattr(mutants, "tests_for", lambda *_: [["tests/x/test_y.py"]])
    monkeypatch.setattr(checkout, "failing", lambda *_: ends.pop(0), raising=False)
    with pytest.raises(SystemExit, match="without any mutant too"):
        checkout.catcher(Mutant("a.py", 1, "1", "plus one", 0, 1, "2"), "")
    assert checkout.catcher(Mutant("a.py", 1, "1", "plus one", 0, 1, "2"), "") == end
    assert (tmp_path / "a.py").read_text() == "1"


@pytest.mark.slow
def test_a_killed_test_process_is_no_catch(tmp_path: Path) -> None:
    checkout = object.__new__(mutants.Checkout)
    checkout.root, checkout.groups = tmp_path, set()
    (tmp_path / "test_killed.py").write_text("import os\ndef test_a():\n    os.kill(os.getpid(), 9)\n")
    (tmp_path / "test_ends.py").write_text("import os\ndef test_a():\n    os._exit(7)\n")
    assert checkout.failing(["test_killed.py"], "not slow") == ""
    assert checkout.failing(["test_ends.py"], "not slow").startswith("an end with 7")


def test_a_survivor_needs_its_reason() -> None:
    mutant = Mutant("bench/x/y.py", 3, "if a > 0:", "compare", 0, 0, "")
    entry = {"file": "bench/x/y.py", "line": "if a > 0:", "operator": "compare", "why": "a is never 0"}
    assert mutants.explained(mutant, [entry]) == "a is never 0"
    assert mutants.explained(mutant, [{**entry, "operator": "negate"}]) == ""
