"""What templates/ holds works after ``cp -r templates/NAME/. .``: in a copy of the checkout, without another file being touched."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from support.checkout import TEMPLATES, add, checkout, environment
from support.paths import ROOT
from test_layers import House

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow(seconds=10)


def python(folder: Path, *words: str, **variables: str) -> str:
    """Standard output and error of ``python WORDS`` in ``folder``; it must succeed."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env={**environment(folder), **variables}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def compared(folder: Path, metrics: str) -> str:
    """What ``compare`` prints of two runs of the renderer, neither a ceiling; its report is in ``folder/page``."""
    for label in ("first", "second"):
        run = ("run", "model=tiny-oracle", "model.card.ceiling=false", "limit=8", "seeds=[0]", f"label={label}", f"metric=[{metrics}]")
        python(folder, "-m", "bench", *run)
    runs = [str(next(folder.glob(f"results/{label}.*"))) for label in ("first", "second")]
    return python(folder, "-m", "bench", "compare", *runs, "--out", "page")


def section(page: str, name: str) -> str:
    """The text of a page's section without its tags, for people's eyes."""
    (inside,) = re.findall(rf'<section aria-labelledby="{name}">(.*?)</section>', page, re.DOTALL)
    return re.sub(r"<[^>]+>", "", inside.replace("<wbr>", ""))


def test_a_metric_is_in_the_first_table_the_terminal_latex_and_the_answer(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    add("metric", folder)
    printed = compared(folder, "scene,colour_words")
    page = (folder / "page" / "index.html").read_text(encoding="utf-8")
    first_table = page.partition('id="summary"')[2].partition("</table>")[0].replace("<wbr>", "")
    assert "colour_words" in first_table
    assert "named colours that are there" in first_table
    table, _, answer = printed.partition("quality")
    assert re.search(r"colour_ .*\n.*words ↑", table)
    assert "colour_words" in answer
    assert "colour_words" in page.partition('class="lead"')[2].partition("</p>")[0]
    assert r"colour\_words" in (folder / "page" / "summary.tex").read_text(encoding="utf-8")
    assert "colour_words" in (folder / "page" / "summary.md").read_text(encoding="utf-8")


def test_a_provider_renders_and_is_listed(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    add("provider", folder)
    assert "4 rendered" in python(folder, "-m", "bench", "run", "model=noise", "limit=2", "metric=[scene,latency]")
    assert "\nnoise " in python(folder, "-m", "bench", "list", "models")


class Drawn(BaseHTTPRequestHandler):
    """Answers every request with a picture."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        data = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(data, "PNG")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data.getvalue())

    def log_message(self, *_: object) -> None:
        pass


def test_a_hosted_provider_renders_with_a_server(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    add("hosted-provider", folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), Drawn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"model.base_url=http://127.0.0.1:{server.server_port}"
        words = ("run", "model=example-api", base, "prompts=tiny", "limit=2", "metric=[latency]", "budget.price=0")
        printed = python(folder, "-m", "bench", *words, EXAMPLE_API_KEY="a-key-of-no-account")
        server.shutdown()
    assert "2 rendered" in printed


def test_a_prompt_format_is_read(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    add("prompt-reader", folder)
    (folder / "wishes.md").write_text("# One shape\n- a red circle on the left, on white\n", encoding="utf-8")
    words = ("run", "model=tiny-oracle", "prompts=outline:wishes.md", "seeds=[0]", "metric=[scene]")
    assert "1 rendered" in python(folder, "-m", "bench", *words)
    assert list(folder.glob("results/tiny-oracle.outline-wishes.*"))


def test_a_model_is_planned_and_listed(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    add("model", folder)
    assert "4 pictures" in python(folder, "-m", "bench", "run", "model=my-model", "limit=2", "dry_run=true")
    assert "\nmy-model " in python(folder, "-m", "bench", "list", "models")


def test_a_section_is_on_the_page_and_in_its_navigation(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    add("report-section", folder)
    compared(folder, "scene")
    page = (folder / "page" / "index.html").read_text(encoding="utf-8")
    assert '<a href="#settings">Settings</a>' in page
    shown = section(page, "settings")
    assert "first" in shown
    assert "128 × 128" in shown


def test_the_templates_pass_their_own_tests_and_keep_the_rules_of_the_code(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "copy")
    files = [str(file) for template in TEMPLATES for file in add(template, folder) if file.suffix == ".py"]
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests" / "config").mkdir()
    shutil.copy(ROOT / "tests" / "config" / "test_presets.py", folder / "tests" / "config")
    house = House(folder)
    assert not house.wrong_arrows()
    assert not house.circle()
    python(folder, "-m", "pytest", "-q", "tests", "-k", "contract or not test_presets")
    python(folder, "-m", "ruff", "check", *files)
    python(folder, "-m", "ruff", "format", "--check", *files)
