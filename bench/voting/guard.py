"""What stands between the voting page and everybody else: other machines, other users, other pages in the same browser."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer: nothing from elsewhere, nothing kept, nothing framed, the address told to nobody."""


@dataclass(frozen=True)
class Guard:
    """Lets a request through to ``app`` only if it is the page's own.

    It must

    - name this very server in ``Host`` (a page elsewhere whose name was pointed at 127.0.0.1 does not);
    - have the token as the first part of its path, compared in constant time;
    - come from the page itself: no ``Sec-Fetch-Site`` of another site but for opening the page, and for a POST an
      ``Origin`` that is this server and JSON as its type, which no form of another site can send.

    Everything else is answered 403 with the same words. ``app`` sees the path without the token.
    """

    app: ASGIApp
    token: str
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return  # websockets are off, lifespan is not asked for

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        _, _, rest = scope["path"].partition("/")
        given, slash, path = rest.partition("/")
        allowed = secrets.compare_digest(given.encode(), self.token.encode()) and self._from_here(scope)
        if not allowed:
            await PlainTextResponse("403: use the address that the command printed\n", 403)(scope, receive, sealed)
        elif not slash:
            await RedirectResponse(f"/{self.token}/")(scope, receive, sealed)
        else:
            await self.app({**scope, "path": f"/{path}", "raw_path": None}, receive, sealed)

    def _from_here(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        hosts, site = headers.getlist("host"), headers.get("sec-fetch-site", "none")
        if len(hosts) != 1 or hosts[0] not in {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}:
            return False
        opening = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in {"same-origin", "none"} and not opening:
            return False
        if scope["method"] in {"GET", "HEAD"}:
            return True
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return headers.getlist("origin") == [f"http://{hosts[0]}"] and kind == "application/json"
