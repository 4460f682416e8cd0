"""Figures are the page's own: what a user has set for Matplotlib does not show in them, and they change nothing of it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DRAW = """
import sys
import pandas as pd
from bench.report import figures
print(figures.latency_distribution(pd.DataFrame({"run": ["a", "b"] * 9, "latency_s": [0.1 * i + 1 for i in range(18)]}), ["a", "b"]))
import matplotlib
print(matplotlib.rcParams["backend"], matplotlib.rcParams["axes.facecolor"], "pyplot" in str(sys.modules.keys()), file=sys.stderr)
"""


def drawn(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    more = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "MPLCONFIGDIR": str(folder), **environment}
    return subprocess.run([sys.executable, "-c", DRAW], cwd=folder, env=more, capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_what_the_user_set_for_matplotlib_stays_out_of_figures(tmp_path: Path) -> None:
    plain = drawn(tmp_path, MPLBACKEND="agg")
    assert plain.stdout.startswith("<svg")
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\nlines.linewidth: 9\nbackend: tkagg\n")
    for backend in ("module://matplotlib_inline.backend_inline", "module://gone.backend", "no-such-backend"):
        mine = drawn(tmp_path, MPLBACKEND=backend)
        assert mine.stdout == plain.stdout
        assert mine.stderr.split()[-3:] == [backend if ":" in backend else "tkagg", "red", "False"]


def test_a_notebook_keeps_its_settings_and_its_back_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl
    import pandas as pd

    from bench.report import figures

    images = pd.DataFrame({"run": ["a"] * 5, "latency_s": [1.0, 1.1, 1.2, 1.5, 2.0]})
    plain = figures.latency_distribution(images, ["a"])
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "svg.fonttype": "path", "svg.hashsalt": "mine"}):
        mpl.rcParams["backend"] = "svg"
        before = dict(mpl.rcParams)
        assert figures.latency_distribution(images, ["a"]) == plain
        assert dict(mpl.rcParams) == before
