"""Downloads from links that strangers sent, against real servers on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from support.requirements import require

from bench.errors import ProviderError
from bench.providers.hosted.shared.downloads import Fetcher, is_public

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PUBLIC = "93.184.215.14"


class Site(ThreadingHTTPServer):
    """Answers by path; keeps what was asked."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.elsewhere = ""
        self.scheme = "http"

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        path, _, wish = self.path.partition("?")[0].strip("/").partition("/")
        self.server.seen.append((self.path, dict(self.headers)))
        if path.isdigit():
            self._answer(int(path), {"Retry-After": "7"} if wish else {})
        elif path == "to":
            self._answer(302, {"Location": self.server.elsewhere, "Set-Cookie": "a=b; Path=/"})
        elif path == "hops":
            self._answer(302, {"Location": f"/hops/{int(wish) - 1}" if wish != "0" else "/ok"})
        elif path == "announced":
            self._answer(200, {"Content-Length": str(1 << 40)}, body=None)
        elif path == "half":
            self._answer(200, {"Content-Length": str(len(PICTURE) + 1)})
        elif path == "endless":
            self._endless()
        elif path == "silent":
            self.rfile.read(1)
        else:
            kind = "text/html" if path == "wrong-type" else "image/png"
            self._answer(200, {"Content-Type": kind, "Set-Cookie": "a=b; Path=/"})

    def do_CONNECT(self) -> None:
        """As a proxy: everything is at ``elsewhere``."""
        self.server.seen.append((self.path, dict(self.headers)))
        host, _, port = self.server.elsewhere.partition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
                back.start()
                _pump(self.connection, far)
        self.close_connection = True

    def log_message(self, *told: Any) -> None:
        """Nothing."""

    def _answer(self, code: int, headers: dict[str, str], body: bytes | None = PICTURE) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if body:
            self.wfile.write(body)
        self.close_connection = "Content-Length" in headers

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serving(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    site.shutdown()
    site.server_close()
    thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as one:
        yield one


@pytest.fixture
def other() -> Iterator[Site]:
    with serving(Site()) as one:
        yield one


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of localhost and pictures.example, made for this run of the tests."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,DNS:pictures.example,IP:127.0.0.1"]
    ended = subprocess.run([require("openssl"), *made, *names, "-keyout", "-", "-out", "-"], capture_output=True, check=True)
    file.write_bytes(ended.stdout)
    return file


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An https server whose certificate this process trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    one = Site()
    one.scheme = "https"
    one.socket = context.wrap_socket(one.socket, server_side=True)
    with serving(one):
        yield one


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Names:
    """A resolver that knows what it is told and counts what it is asked."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): addresses.split() for name, addresses in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        assert port
        self.asked.append(host)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.known[host]


def fetch(*urls: str, own: str | None = None, timeout_s: float = 5.0, **options: Any) -> bytes:
    """What the last of the addresses holds, all asked by one fetcher."""

    async def main() -> bytes:
        fetcher = Fetcher(own=own, timeout_s=timeout_s, **options)
        try:
            return [await fetcher.get(url) for url in urls][-1]
        finally:
            await fetcher.close()

    return asyncio.run(main())


def refused(url: str, status: str, told: str, *, transient: bool, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError, match=told) as caught:
        fetch(url, **options)
    error = caught.value
    assert (error.status, error.transient) == (status, transient)
    assert math.isnan(error.usd)
    for hidden in ("sig", "secret", "?", "/ok"):
        assert hidden not in str(error)
    return error


def test_a_picture_comes_from_the_users_own_server_whatever_its_type_is_called(site: Site) -> None:
    for path in ("/ok?sig=secret", "/wrong-type"):
        assert fetch(site.address + path, own=f"{site.address}/v1") == PICTURE


def test_nothing_is_sent_along_not_even_cookies(site: Site) -> None:
    fetch(f"{site.address}/ok", f"{site.address}/hops/1", own=site.address)
    assert [path for path, _ in site.seen] == ["/ok", "/hops/1", "/hops/0", "/ok"]
    for _, headers in site.seen:
        assert {name.lower() for name in headers} == {"host", "accept", "accept-encoding", "user-agent"}
        assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("code", [400, 403, 404, 410])
def test_a_link_that_is_gone_has_expired(site: Site, code: int) -> None:
    refused(f"{site.address}/{code}?sig=secret", "expired_url", f"^http://127.0.0.1: HTTP {code}", transient=True, own=site.address)


def test_other_answers_are_worth_another_try_or_not(site: Site) -> None:
    for code, transient in ((500, True), (503, True), (408, True), (204, False), (304, False), (401, False), (418, False)):
        refused(f"{site.address}/{code}", "provider_error", f"HTTP {code}", transient=transient, own=site.address)
    limited = refused(f"{site.address}/429/again", "rate_limited", "HTTP 429", transient=True, own=site.address)
    assert limited.retry_after == 7.0


def test_redirects_are_followed_five_times_and_not_in_circles(site: Site) -> None:
    assert fetch(f"{site.address}/hops/4", own=site.address) == PICTURE
    refused(f"{site.address}/hops/5", "provider_error", "more than 5 redirects", transient=True, own=site.address)
    site.elsewhere, before = f"{site.address}/to", len(site.seen)
    refused(f"{site.address}/to", "provider_error", "more than 5 redirects", transient=True, own=site.address)
    assert len(site.seen) == before + 6
    for nowhere in ("http://[", "//"):
        site.elsewhere = nowhere
        with pytest.raises(ProviderError):
            fetch(f"{site.address}/to", own=site.address)
    refused(f"{site.address}/302", "provider_error", "redirect to nowhere", transient=True, own=site.address)


def test_size_is_limited_before_and_while_reading(site: Site) -> None:
    for path in ("/announced", "/endless"):
        refused(f"{site.address}{path}", "invalid_image", "larger than 0.5 MiB", transient=False, own=site.address, max_bytes=1 << 19)
    refused(f"{site.address}/ok", "invalid_image", "larger than", transient=False, own=site.address, max_bytes=len(PICTURE) - 1)
    assert fetch(f"{site.address}/ok", own=site.address, max_bytes=len(PICTURE)) == PICTURE


def test_half_a_picture_silence_and_nobody_there(site: Site) -> None:
    refused(f"{site.address}/half?sig=secret", "provider_error", "^http://127.0.0.1: ", transient=True, own=site.address)
    refused(f"{site.address}/silent", "timeout", "within 0.1 s", transient=True, own=site.address, timeout_s=0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    refused(f"{nobody}/ok", "provider_error", "^http://127.0.0.1: ", transient=True, own=nobody)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://pictures.example/a?sig=secret", "^http://pictures.example: the picture's address is not https"),
        ("https://user:secret@pictures.example/a", "holds a user name"),
        ("https://secret@pictures.example/a", "holds a user name"),
        (r"https://pictures.example\@127.0.0.1/a", "holds a user name"),
        ("ftp://pictures.example/a", "no https address"),
        ("file:///etc/passwd", "no https address"),
        ("/a", "no https address"),
        ("https://", "no https address"),
        ("https://a\nb/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://pictures.example:99999999/", "malformed"),
        ("https://127.0.0.1/a", "private network"),
        ("https://[::1]/a", "private network"),
        ("https://[::ffff:127.0.0.1]/a", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://10.0.0.8/a", "private network"),
        ("https://inside.example/a", "private network"),
        ("https://mixed.example/a", "private network"),
        ("https://nothing.example/a", "private network"),
        ("https://localhost/a", "private network"),
    ],
)
def test_addresses_that_are_not_asked(url: str, told: str) -> None:
    names = Names(
        pictures_example=PUBLIC, inside_example="192.168.1.7", mixed_example=f"{PUBLIC} fd00::1", nothing_example="", localhost="::1"
    )
    refused(url, "provider_error", told, transient=False, resolver=names)
    refused(url, "provider_error", told, transient=False, resolver=names, own="https://api.example/v1")


def test_odd_spellings_of_this_machine_are_seen_through_by_the_real_resolver() -> None:
    for host in ("2130706433", "0x7f.1", "127.1", "localhost", "127.0.0.1."):
        with pytest.raises(ProviderError) as caught:
            fetch(f"https://{host}/a")
        assert caught.value.status == "provider_error"
        assert "private network" in str(caught.value) or "resolved" in str(caught.value)


def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    refused("https://unknown.example/a?sig=1", "provider_error", "cannot be resolved", transient=True, resolver=Names())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
        "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1",
        "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "::127.0.0.1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2002:c0a8:101::1", "2001:0:7f00:1::", "100::1", "nonsense",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


def test_http_is_for_the_users_own_http_server_only(site: Site) -> None:
    refused(f"{site.address}/ok", "provider_error", "not https", transient=False)
    refused(f"{site.address}/ok", "provider_error", "not https", transient=False, own="https://127.0.0.1:1")
    refused(f"{site.address}/ok", "provider_error", "not https", transient=False, own="http://192.168.7.7")
    assert site.seen == []


def test_this_machine_has_many_names_for_its_owner(site: Site, other: Site) -> None:
    by_name = f"http://localhost:{site.port}"
    assert fetch(f"{by_name}/ok", own=site.address) == fetch(f"{site.address}/ok", own=by_name) == PICTURE
    assert fetch(f"{other.address}/ok", own=site.address) == PICTURE
    names = Names(x_localhost=PUBLIC)
    refused(f"http://x.localhost:{site.port}/", "provider_error", "private network", transient=False, own=site.address, resolver=names)


@pytest.mark.parametrize(
    "target", ["https://192.168.1.1/admin", "https://169.254.169.254/", "http://inside.example/", "https://inside.example/"]
)
def test_a_redirect_to_a_private_address_is_refused(site: Site, target: str) -> None:
    site.elsewhere = target
    names = Names(inside_example="10.0.0.1")
    refused(f"{site.address}/to", "provider_error", "private network|not https", transient=False, own=site.address, resolver=names)


def test_a_public_server_cannot_send_us_to_our_own(secure: Site, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Site()) as proxy:  # stands for the internet: pictures.example is behind it
        proxy.elsewhere = f"127.0.0.1:{secure.port}"
        monkeypatch.setenv("https_proxy", proxy.address)
        names = Names(pictures_example=PUBLIC, localhost="127.0.0.1")
        for target in (f"{site.address}/ok", f"{secure.address}/ok", f"https://localhost:{secure.port}/ok"):
            secure.elsewhere = target
            for own in (site.address, f"{secure.address}/v1"):
                refused("https://pictures.example/to", "provider_error", "private|not https", transient=False, own=own, resolver=names)
        assert [path for path, _ in secure.seen] == ["/to"] * 6
        assert site.seen == []


def test_a_name_that_changes_its_address_after_the_check_is_caught_at_the_peer(secure: Site) -> None:
    names = Names(localhost=PUBLIC)
    url = f"https://localhost:{secure.port}"
    refused(f"{url}/ok", "provider_error", "private network", transient=False, resolver=names)
    secure.elsewhere = f"{url}/other"
    refused(f"{url}/to", "provider_error", "private network", transient=False, resolver=names)
    assert [path for path, _ in secure.seen] == ["/ok", "/to"]
    assert names.asked == ["localhost"] * 2
    assert fetch(f"{url}/ok", own=url) == PICTURE


def test_a_certificate_for_another_name_ends_it_before_anything_is_asked(secure: Site) -> None:
    names = Names(a_localhost=PUBLIC)
    with pytest.raises(ProviderError):
        fetch(f"https://a.localhost:{secure.port}/ok", resolver=names)
    assert secure.seen == []


def test_behind_a_proxy_the_proxy_resolves_names(secure: Site, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.elsewhere = f"127.0.0.1:{secure.port}"
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{site.port}")
    assert fetch("https://pictures.example/ok?sig=1", resolver=Names(pictures_example=PUBLIC)) == PICTURE
    assert fetch("https://pictures.example/ok?sig=1", resolver=Names()) == PICTURE
    assert [path for path, _ in site.seen] == ["pictures.example:443"] * 2
    for _, headers in site.seen:
        assert not {name.lower() for name in headers} & {"cookie", "authorization", "referer"}
    refused("https://pictures.example/a", "provider_error", "private", transient=False, resolver=Names(pictures_example="10.0.0.1"))
    refused("https://10.0.0.1/a", "provider_error", "private", transient=False, resolver=Names())
    assert len(site.seen) == 2
    monkeypatch.setenv("NO_PROXY", "pictures.example")
    refused("https://pictures.example/a", "provider_error", "cannot be resolved", transient=True, resolver=Names())
    assert len(site.seen) == 2


def test_this_machine_is_asked_without_a_proxy(site: Site, other: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", other.address)
    assert fetch(f"{site.address}/ok", own=site.address) == PICTURE
    assert other.seen == []


def test_many_downloads_at_once_share_connections(site: Site) -> None:
    async def main() -> list[bytes]:
        fetcher = Fetcher(own=site.address, timeout_s=10.0)
        try:
            return await asyncio.gather(*(fetcher.get(f"{site.address}/ok?{i}") for i in range(40)))
        finally:
            await fetcher.close()

    assert asyncio.run(main()) == [PICTURE] * 40
