"""Proxies, certificates and accounts of the environment: what leaves for whom, for every vendor and for the judge."""

from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import huggingface_hub.constants  # noqa: F401 - reads HF_HUB_OFFLINE, which a test sets later
import pytest
from PIL import Image
from support.command import bench
from support.requirements import require
from support.scripted import Reply, Server, attempt, coded, png, running, serving

from bench.config import presets
from bench.errors import BenchError, ConfigError, ProviderError
from bench.metrics import Sample
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-proj-secret0of1this2test"
VENDORS = ("gpt-image", "grok-imagine", "flux-pro", "sd35-large-api", "hub-flux-dev")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "XAI", "BFL", "STABILITY"):
        monkeypatch.setenv(f"{name}_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", KEY)
    for scheme in ("http", "https", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
            monkeypatch.delenv(name, raising=False)


class Silent(BaseHTTPRequestHandler):
    """Counts who connects and answers 500."""

    def do_POST(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_error(500)

    do_CONNECT = do_GET = do_POST  # noqa: N815 - names of HTTP methods

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def counting() -> Iterator[Any]:
    """A server, or a proxy, that notes what it is asked for."""
    http: Any = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    http.asked = []
    with running(http):
        yield http


def judged(base_url: str | None) -> list[Any]:
    """The rows of the judge for one picture."""
    (metric,) = presets.metrics(["vqa"])
    record = ImageRecord("p", "c", "s", "h", Request("m", "r", "a cat", None, 0, 8, 8), "ok", "e", "now")
    judge: Any = type(metric)(**{**vars(metric), "base_url": base_url, "sleep": lambda _: None})
    return list(judge.score([Sample(record, Image.new("RGB", (8, 8)))]))


@pytest.mark.parametrize("name", VENDORS)
def test_a_proxy_sees_nothing_of_what_goes_to_this_machine(name: str, counting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(proxy := ThreadingHTTPServer(("127.0.0.1", 0), Silent)):
        proxy.asked = []  # type: ignore[attr-defined]
        for variable in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.server_port}")
        with pytest.raises(ProviderError):
            attempt(presets.provider(name, base_url=f"http://127.0.0.1:{counting.server_port}"), "a fox")
        assert len(counting.asked) == 1
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
        with pytest.raises(ProviderError):
            attempt(presets.provider(name, base_url=f"http://localhost:{counting.server_port}"), "a fox")
        assert len(counting.asked) == 2
        assert not proxy.asked  # type: ignore[attr-defined]


def test_the_judge_asks_this_machine_without_a_proxy(counting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    (row,) = judged(f"http://127.0.0.1:{counting.server_port}/v1")
    assert row.status == "unscored"
    assert counting.asked


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize(("variable", "value"), [("HTTPS_PROXY", "socks://127.0.0.1:9"), ("SSL_CERT_FILE", "/no/such.pem")])
def test_what_cannot_be_used_ends_it_before_anything_is_sent(name: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{variable}"):
        presets.provider(name).check()
    with pytest.raises(ConfigError, match=f"^{variable}"):
        judged(None)


@pytest.mark.slow
def test_the_command_says_so_and_exits_2(tmp_path: Path) -> None:
    asked = [
        "run",
        "model=gpt-image",
        "model.base_url=http://127.0.0.1:9/v1",
        "prompts=core",
        "limit=1",
        "metric=[latency]",
        "budget.price=0",
    ]
    ended = bench(asked, tmp_path, OPENAI_API_KEY=KEY, SSL_CERT_FILE="/no/such.pem")
    assert ended.returncode == 2
    assert "SSL_CERT_FILE=/no/such.pem cannot be read" in ended.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of this machine, signed by nobody else."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "-", "-out", "-"]
    file.write_bytes(subprocess.run([require("openssl"), *made], capture_output=True, check=True).stdout)
    return file


def test_a_certificate_that_is_not_trusted_ends_the_run_at_once(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    secure: Any = ThreadingHTTPServer(("127.0.0.1", 0), Silent, bind_and_activate=True)
    secure.asked, secure.socket = [], context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    secure.handle_error = lambda *_: None
    threading.Thread(target=secure.serve_forever, args=(0.01,), daemon=True).start()
    address = f"https://127.0.0.1:{secure.server_port}"
    for name in VENDORS:
        with pytest.raises(BenchError, match=r"certificate of 127\.0\.0\.1 is not trusted .*SSL_CERT_FILE=FILE") as caught:
            attempt(presets.provider(name, base_url=address), "a fox")
        assert not isinstance(caught.value, ProviderError)
    with pytest.raises(BenchError, match=r"certificate of 127\.0\.0\.1 is not trusted"):
        judged(address)
    assert not secure.asked
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(ProviderError):
        attempt(presets.provider("flux-pro", base_url=address), "a fox")
    assert len(secure.asked) == 1
    secure.shutdown()
    secure.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Reply({"created": 1, "data": [{"b64_json": coded(png())}]})) as http:
        yield http


def test_openais_account_is_told_to_openai_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.core import openai_sdk

    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: of-mine")
    for name in ("gpt-image", "grok-imagine"):
        assert attempt(presets.provider(name, base_url=server.url), "a fox").status == "ok"
    assert len(server.posts) == 2
    assert "of-mine" not in str(server.posts)
    with openai_sdk.client(KEY, server.url, 1.0) as stranger, openai_sdk.client(KEY, openai_sdk.ADDRESS, 1.0) as own:
        assert (stranger.organization, stranger.project) == (None, None)
        assert (own.organization, own.project) == ("org-of-mine", "project-of-mine")


def test_the_judge_does_not_go_where_only_the_environment_says(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL is set.*metric\.vqa\.base_url"):
        judged(None)
    assert not server.posts
