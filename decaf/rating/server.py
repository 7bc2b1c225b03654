"""The server of the rating page: for one browser on this machine, and for nobody else.

An address holds a random token; Host and Origin must be the server's own, so that neither another
page nor a name that was made to lead here can ask for anything; photos are asked for by number.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from decaf.ranking.thumbnails import make_pictures, shown_type
from decaf.rating.learner import Question
from decaf.rating.session import Outdated, Session
from features.errors import InputError, Shortage
from features.text import displayable

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

HOME = "127.0.0.1"
_FILES = {
    "": "text/html",
    "rate.css": "text/css",
    "rate.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src "
    "'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Of a request's body: an answer has some sixty bytes.
_MOST_BYTES = 1000
_PREVIEWS_KEPT = 8


class PageServer:
    """The page, served until it is ended.

    Parameters
    ----------
    session : Session
    finish : callable
        From the line between good photos and others to what was written, in words.
    host : str
        An address of this machine.

    Attributes
    ----------
    address : str
        Of the page.

    Raises
    ------
    InputError
        Nothing can be served at the host's address, or Starlette or uvicorn are missing.
    """

    def __init__(
        self, session: Session, finish: Callable[[float | None], str], host: str = HOME
    ) -> None:
        try:
            import uvicorn
        except ImportError:
            raise InputError("the page needs a server: pip install 'decaf[page]'") from None
        self._socket = _listen(host)
        origin = f"{host}:{self._socket.getsockname()[1]}"
        token = secrets.token_urlsafe(16)
        self.address = f"http://{origin}/{token}/"
        application = make_application(session, finish, self.end, origin, token)
        self._server: uvicorn.Server = uvicorn.Server(
            uvicorn.Config(
                application,
                # Its configuration of logging would close the streams of other handlers, absl's.
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=2,
            )
        )

    def run(self) -> None:
        """Serve until `end`."""
        self._server.run(sockets=[self._socket])

    def end(self) -> None:
        """Answer what was asked, and then nothing more."""
        self._server.should_exit = True


def own_address() -> str:
    """The address of this machine in the network that it is in; nothing is sent.

    Raises
    ------
    InputError
        It is in none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # RFC 5737: an address that nobody has; which way it would go is asked here only.
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError as error:
            raise InputError(f"this machine is in no network ({error.strerror})") from error


def make_application(
    session: Session,
    finish: Callable[[float | None], str],
    end: Callable[[], None],
    origin: str,
    token: str,
) -> Starlette:
    """Make what answers requests.

    Parameters
    ----------
    session : Session
    finish, end : callable
        Writes what is left of the session; ends the server.
    origin : str
        Host and port, by which alone it may be asked.
    token : str
        With which every path begins.

    Returns
    -------
    Starlette
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Route

    web = files("decaf.rating") / "web"
    preview = lru_cache(_PREVIEWS_KEPT)(lambda path: make_pictures(path))

    async def file(request: Request) -> Response:
        name = request.path_params.get("name", "")
        if name not in _FILES:
            return Response(status_code=404)
        content = (web / (name or "rate.html")).read_bytes()
        return Response(content, media_type=_FILES[name])

    async def photo(request: Request) -> Response:
        number, is_small = request.path_params["number"], "small" in request.query_params
        return await run_in_threadpool(show, number, is_small)

    def show(number: int, is_small: bool) -> Response:
        if number >= len(session.paths) or not session.is_there(number):
            return Response(status_code=404)
        path = session.paths[number]
        try:
            kind = None if is_small else shown_type(path)
        except OSError:
            return Response(status_code=404)
        headers = {"Cache-Control": "private, max-age=3600"}
        if kind is not None:
            return FileResponse(path, media_type=kind, headers=headers)
        pictures = make_pictures(path) if is_small else preview(path)
        if pictures is None:
            return Response(status_code=404)
        if is_small or pictures.preview is None:
            return Response(pictures.thumbnail, media_type="image/webp", headers=headers)
        return Response(pictures.preview, media_type="image/jpeg", headers=headers)

    def state(n: int) -> dict[str, Any]:
        said, questions = session.n_said, session.questions(n)
        return {
            "said": said,
            "questions": [_told_before(each, session) for each in questions],
            "progress": asdict(session.progress()),
            "grades": session.grades,
        }

    async def ask(request: Request) -> Response:
        return JSONResponse(
            await run_in_threadpool(state, 2 if "next" in request.query_params else 1)
        )

    async def order(request: Request) -> Response:
        def album() -> list[list[Any]]:
            return [[place.photo, round(place.score, 3), place.given] for place in session.order()]

        return JSONResponse({"order": await run_in_threadpool(album)})

    async def given(request: Request) -> Response:
        def events() -> list[dict[str, Any]]:
            return [
                {
                    "photo": number,
                    "name": displayable(session.names[number]),
                    "act": event.act,
                    "grade": event.grade,
                    "predicted": event.predicted,
                }
                for number, event in session.given()
            ]

        return JSONResponse({"given": await run_in_threadpool(events)})

    def act(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if name == "answer":
            question = session.answer(
                values["number"], values["act"], values.get("grade"), values.get("better")
            )
            told["told"] = _told_after(question)
        elif name == "undo":
            told["undone"] = session.undo()
        elif name == "change":
            session.change(values["photo"], values["act"], values.get("grade"))
        else:
            told["written"] = finish(values.get("line"))
            end()
            return told
        return told | state(1)

    async def post(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return Response(status_code=415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return Response(status_code=413)
        try:
            values = json.loads(body)
            return JSONResponse(
                await run_in_threadpool(act, request.path_params["act"], dict(values))
            )
        except Outdated:
            return JSONResponse(await run_in_threadpool(state, 1), status_code=409)
        except Shortage as error:
            return JSONResponse({"problem": str(error)}, status_code=507)
        except (InputError, KeyError, TypeError, ValueError) as error:
            return JSONResponse({"problem": str(error)}, status_code=400)

    application = Starlette(
        routes=[
            Route(f"/{token}/", file),
            Route(f"/{token}/state", ask),
            Route(f"/{token}/order", order),
            Route(f"/{token}/given", given),
            Route(f"/{token}/photo/{{number:int}}", photo),
            Route(f"/{token}/{{act:str}}", post, methods=["POST"]),
            Route(f"/{token}/{{name:str}}", file),
        ],
        middleware=[Middleware(_Guard, origin=origin, token=token)],
    )
    application.router.redirect_slashes = False
    return application


class _Guard:
    """Lets nothing in that is not the page's own, and tells browsers what the page may do."""

    def __init__(self, app: ASGIApp, origin: str, token: str) -> None:
        self._app, self._origin, self._start = app, origin, f"/{token}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import MutableHeaders
        from starlette.requests import Request
        from starlette.responses import Response

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            return
        refused = self._refusal(Request(scope))
        answer = self._app if refused is None else Response(status_code=refused)
        await answer(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> int | None:
        """The status of what is refused."""
        if request.headers.getlist("host") != [self._origin]:
            return 421
        origins = request.headers.getlist("origin")
        own = [f"http://{self._origin}"]
        if origins != own and (origins or request.method not in ("GET", "HEAD")):
            return 403
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403
        path = request.scope["path"][: len(self._start)]
        if not secrets.compare_digest(path.encode(), self._start.encode()):
            return 404
        return None


def _told_before(question: Question, session: Session) -> dict[str, Any]:
    """What a browser may know of a question before it is answered: nothing that was learnt."""
    return {
        "number": question.number,
        "photos": question.photos,
        "names": [displayable(session.names[photo]) for photo in question.photos],
    }


def _told_after(question: Question) -> dict[str, Any]:
    """What was expected of a photo, and why."""
    return {
        "photos": question.photos,
        "purpose": question.purpose,
        "predicted": question.predicted,
        "deviation": question.deviation,
        "nearest": question.nearest,
    }


def _listen(host: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.bind((host, 0))
        # From now on who asks waits, and is not refused.
        opened.listen()
    except OSError as error:
        opened.close()
        raise InputError(f"{host}: nothing can be served there ({error.strerror})") from error
    return opened
