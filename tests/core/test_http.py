"""Proxies and certificates of the environment: which are used, and what is said of those that cannot be."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import pytest

from bench.core import http, telemetry
from bench.errors import BenchError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FAR = "https://api.example.com/v1"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without proxies and certificates."""
    for name in [*os.environ]:
        if name.lower().endswith("_proxy") or name in http.AUTHORITIES:
            monkeypatch.delenv(name)


@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "socks5://127.0.0.1:9", "socks://[::1", "?"])
def test_this_machine_is_never_asked_through_a_proxy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy)
    for url in ("http://127.0.0.1:9", "http://127.9.8.7:80/v1", "https://localhost", "http://[::1]:8000/v1"):
        assert http.client_options(url) == {"trust_env": False, "proxy": None, "verify": True}


def test_another_server_is_asked_through_the_proxy_of_its_scheme_unless_no_proxy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert http.proxy_for(FAR) is None
    monkeypatch.setenv("ALL_PROXY", "socks.example:1080")
    assert http.proxy_for(FAR) == "http://socks.example:1080"
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert http.proxy_for(FAR) == "http://proxy.example:3128"
    for left_out in ("api.example.com", ".example.com", "*.example.com, other", "example.com:443", "*", "API.Example.com"):
        monkeypatch.setenv("NO_PROXY", left_out)
        url = FAR.replace("/v1", ":443/v1")
        assert http.proxy_for(url) is None, left_out
    for other in ("example.co", "pi.example.com", "example.com:8443", "10.0.0.0/8"):
        monkeypatch.setenv("NO_PROXY", other)
        assert http.proxy_for(FAR), other
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert http.proxy_for("https://10.1.2.3/v1") is None
    assert http.proxy_for("https://11.1.2.3/v1")


@pytest.mark.parametrize(
    ("variable", "proxy", "told"),
    [
        ("ALL_PROXY", "socks://user:secret@127.0.0.1:9", "socks://, which is not known"),
        ("HTTPS_PROXY", "http://[::1:secret", "no proxy's address"),
        ("https_proxy", "http://proxy.example:port", "no proxy's address"),
        ("all_proxy", "http://", "no proxy's address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(variable: str, proxy: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(ConfigError, match=told) as caught:
        http.client_options(FAR)
    assert str(caught.value).startswith(variable)
    assert "NO_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_socks_proxy_names_the_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setattr(http, "find_spec", lambda _: None)
    with pytest.raises(BenchError, match=r"^ALL_PROXY names a SOCKS proxy, which needs a package: pip install socksio"):
        http.proxy_for(FAR)


@pytest.mark.parametrize("variable", http.AUTHORITIES)
def test_certificates_that_cannot_be_read_are_told_by_their_variable(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http.certificates() is True
    (tmp_path / "empty.pem").write_text("no certificate")
    names = ["missing.pem"] if variable == "SSL_CERT_DIR" else ["missing.pem", "empty.pem"]
    for name in names:
        monkeypatch.setenv(variable, str(tmp_path / name))
        with pytest.raises(ConfigError, match=f"^{variable}=.*{name} cannot be read as a f.*; correct it, or unset it"):
            http.client_options("http://127.0.0.1:9")
    if variable != "SSL_CERT_FILE":
        monkeypatch.setenv(variable, str(tmp_path))
        assert isinstance(http.certificates(), ssl.SSLContext)


def test_telemetry_is_off_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    import bench  # noqa: F401 - importing it is what switches off

    for name, value in telemetry.SWITCHES.items():
        assert os.environ[name] == value, name
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "online")
    telemetry.switch_off()
    assert os.environ["WANDB_MODE"] == "online"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
