"""The built wheel, installed elsewhere, carries configuration, prompts and weights and works from any folder."""

from __future__ import annotations

import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from support.paths import ROOT

pytestmark = pytest.mark.slow(seconds=10)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_the_program_needs_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("conf/config.yaml", "conf/model/flux-dev.yaml", "prompts/core.jsonl", "weights/tiny-dev/model_index.json"):
        assert f"bench/_data/{name}" in names
    assert {"bench/report/template/report.html.j2", "bench/py.typed"} <= set(names)
    assert not [n for n in names if n.startswith(("tests/", "results/", "train/"))]


def test_the_installed_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    packages = next((tmp_path / "env").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    others = [p for p in site.getsitepackages() if Path(p).is_dir()]
    (packages / "zz-dependencies.pth").write_text("\n".join(others) + "\n")
    work = tmp_path / "work"
    work.mkdir()
    python = str(tmp_path / "env" / "bin" / "python")

    def bench(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([python, "-m", "bench", *words], cwd=work, capture_output=True, text=True, check=False)

    where = subprocess.run([python, "-c", "import bench; print(bench.__file__)"], cwd=work, capture_output=True, text=True, check=True)
    assert where.stdout.startswith(str(packages))
    assert "flux-dev" in bench("list", "models").stdout
    ran = bench("run", "model=tiny-schnell", "limit=1", "seeds=[0]", "metric=[latency]")
    assert ran.returncode == 0, ran.stderr
    assert sorted(p.name for p in work.iterdir()) == ["results"]
