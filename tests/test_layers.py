"""Rooms stand on shelves: a module imports its own room and lower shelves only, also for typing and inside functions."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHELVES = [
    {"types", "errors"},
    {"core", "stats"},
    {"images", "prompts", "config", "pricing", "weights", "tiny", "store"},
    {"providers", "metrics", "executors"},
    {"engine", "analysis"},
    {"report", "voting", "verify"},
    {"cli", "notebook"},
]
"""The rooms, lowest shelf first; ``docs/design.md`` draws them."""
PROGRAMS = {"__main__", "tiny.train", "tiny.evaluate"}
"""Started by ``python -m``: they may import anything, and nothing imports them."""
FORBIDDEN = {"metrics": {"providers", "store"}, "providers": {"metrics", "store"}}
"""Rooms of lower shelves that a room leaves alone all the same."""
EXCEPTIONS = {("metrics.distribution.reference", "store")}
"""A reference can be another run."""
DIRECTLY = {"__init__", "__main__", "types", "errors"}


class House:
    """The modules of a checkout and what each imports.

    Attributes:
        imports: module name without "bench." to the modules it imports; ``__init__`` modules are called "room.__init__".
    """

    def __init__(self, root: Path) -> None:
        self.files = {".".join(f.relative_to(root).with_suffix("").parts): f for f in (root / "bench").rglob("*.py")}
        self.files = {name.removeprefix("bench."): file for name, file in self.files.items()}
        self.imports = {name: self._imports(name) for name in self.files}

    def _imports(self, name: str) -> set[str]:
        tree = ast.parse(self.files[name].read_text(encoding="utf-8"))
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert not node.level, f"{name}: relative import"
                if (node.module or "").partition(".")[0] == "bench":
                    found |= {self._module(f"{node.module}.{alias.name}".removeprefix("bench.")) for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {
                    self._module(a.name.removeprefix("bench").removeprefix(".")) for a in node.names if a.name.partition(".")[0] == "bench"
                }
        return found - {name, "__init__"}

    def _module(self, dotted: str) -> str:
        head = dotted.rpartition(".")[0]
        return next((form for form in (dotted, f"{dotted}.__init__", head, f"{head}.__init__") if form in self.files), "__init__")

    def wrong_arrows(self) -> list[str]:
        """Imports beside, above, or of a forbidden room."""
        shelf = {room: i for i, rooms in enumerate(SHELVES) for room in rooms}
        wrong = []
        for module in self.imports.keys() - PROGRAMS - {"__init__"}:
            for other in self.imports[module]:
                room, into = module.partition(".")[0], other.partition(".")[0]
                forbidden = into in FORBIDDEN.get(room, ()) and (module, into) not in EXCEPTIONS
                if room != into and (shelf[into] >= shelf[room] > 0 or forbidden):
                    wrong.append(f"{module} imports {other}")
        return sorted(wrong)

    def circle(self) -> list[str]:
        """A circle of modules that import each other, faces of rooms among them; [] without one."""
        try:
            list(TopologicalSorter(self.imports).static_order())
        except CycleError as error:
            return list(error.args[1])
        return []


HOUSE = House(ROOT)


def test_a_room_imports_lower_shelves_only() -> None:
    assert not HOUSE.wrong_arrows()


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not HOUSE.circle()


def test_every_room_has_its_shelf_and_four_files_stand_directly_in_the_house() -> None:
    rooms = {name.partition(".")[0] for name in HOUSE.files}
    assert rooms - set().union(*SHELVES) == {"__init__", "__main__"}
    assert {name for name in HOUSE.files if "." not in name} == DIRECTLY


def test_nothing_imports_a_program() -> None:
    assert not PROGRAMS & set().union(*HOUSE.imports.values())


def test_the_ground_imports_nothing_of_the_house() -> None:
    ground = {name: others for name, others in HOUSE.imports.items() if name.partition(".")[0] == "stats"}
    assert not [name for name, others in ground.items() if {other.partition(".")[0] for other in others} - {"stats"}]


@pytest.mark.parametrize("name", sorted(name for name in HOUSE.files if name.endswith(".__init__")))
def test_a_face_hands_names_on_and_defines_nothing(name: str) -> None:
    assert not defined_in_face(HOUSE.files[name].read_text(encoding="utf-8"))


def test_a_call_in_a_face_is_seen() -> None:
    assert not defined_in_face('"""A room."""\n\nfrom bench.core.files import writing\n\n__all__ = ["writing"]\n')
    assert defined_in_face('"""A room."""\n\nimport os\n\nos.environ.setdefault("A", "b")\n"""No docstring."""\n') == [5, 6]


def defined_in_face(text: str) -> list[int]:
    """Lines of a module that are no docstring, no import and no ``__all__``."""
    body = ast.parse(text).body
    lines = []
    for i, node in enumerate(body):
        documented = i == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        exported = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
        if not (documented or exported or isinstance(node, ast.Import | ast.ImportFrom)):
            lines.append(node.lineno)
    return lines


def test_no_module_is_longer_than_400_lines() -> None:
    assert not {name: lines for name, file in HOUSE.files.items() if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 400}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A small house with the real one's shelves."""
    for name, text in {
        "core/files.py": "", "stats/means.py": "", "store/run.py": "from bench.core import files\n",
        "engine/plan.py": "from bench.store.run import Run\n",
        "engine/work.py": "from bench.engine import plan\n", "metrics/base.py": "",
    }.items():  # fmt: skip
        (tmp_path / "bench" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bench" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bench" / name).with_name("__init__.py").touch()
    (tmp_path / "bench" / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("module", "line", "arrow"),
    [
        ("store/run.py", "from bench.engine import plan", "store.run imports engine.plan"),
        ("store/run.py", "if TYPE_CHECKING:\n    from bench.engine.plan import Plan", "store.run imports engine.plan"),
        ("core/files.py", "def late():\n    from bench import stats", "core.files imports stats.__init__"),
        ("metrics/base.py", "import bench.store.run", "metrics.base imports store.run"),
    ],
)
def test_an_arrow_added_by_hand_is_seen(copy: Path, module: str, line: str, arrow: str) -> None:
    assert not House(copy).wrong_arrows()
    with (copy / "bench" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    assert House(copy).wrong_arrows() == [arrow]


def test_a_circle_added_by_hand_is_seen(copy: Path) -> None:
    assert not House(copy).circle()
    (copy / "bench/engine/plan.py").write_text("def late():\n    from bench.engine.work import Work\n", encoding="utf-8")
    assert set(House(copy).circle()) == {"engine.plan", "engine.work"}
