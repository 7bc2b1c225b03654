"""The server, attacked: by other pages, other names, guessed addresses, paths out of the album."""

import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
from given_features import make_session

from decaf.rating.server import PageServer
from features.text import displayable

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server, and the session behind it."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "secret.txt").write_text("secret")
    session, _ = make_session(folder, n=20)
    server = PageServer(session, lambda line: f"rank by {line}")
    session.start()
    serving = threading.Thread(target=server.run)
    serving.start()
    yield server, session
    server.end()
    serving.join()
    session.close()


def ask(served, path="", body=None, method=None, headers=(), host=None):
    """Ask as a browser would whose user has the address; give status, headers and body."""
    address = urlsplit(served[0].address)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=30)
    sent = {"Host": host or address.netloc} | dict(headers)
    if body is not None:
        sent = {"Origin": f"http://{address.netloc}"} | JSON | sent
    path = path if path.startswith("/") else address.path + path
    method = method or ("GET" if body is None else "POST")
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    content = (
        b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    )
    if body is not None:
        connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(None if body is None else content)
    answer = connection.getresponse()
    told = answer.status, answer.headers, answer.read()
    connection.close()
    return told


def state(served):
    return json.loads(ask(served, "state?next")[2])


def test_the_page_comes_with_leave_for_its_own_files_alone(served):
    for name in ("", "rate.css", "rate.js", "icon.svg", "state", "photo/0"):
        status, headers, _ = ask(served, name)
        assert status == 200, name
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; img-src 'self'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in headers


def test_it_listens_on_this_machine_alone(served):
    assert served[0]._socket.getsockname()[0] == "127.0.0.1"
    assert len(urlsplit(served[0].address).path) > 20


def test_without_the_token_there_is_nothing(served):
    token = urlsplit(served[0].address).path
    for path in (
        "/",
        "/state",
        "/photo/0",
        token[:-2] + "/",
        f"/x{token[1:]}",
        token.upper(),
        "//",
    ):
        status, _, body = ask(served, path)
        assert (status, body) == (404, b""), path


def test_other_names_that_lead_here_are_refused(served):
    """As of DNS rebinding, where a name of the attacker's has become this machine's."""
    port = urlsplit(served[0].address).port
    hosts = ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example")
    for host in (*hosts, f"[::1]:{port}", f"localhost:{port}", f"127.0.0.1:{port + 1}"):
        assert ask(served, "state", host=host)[0] == 421, host
    address = urlsplit(served[0].address)
    for lines in ("", f"Host: {address.netloc}\r\nHost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(f"GET {address.path}state HTTP/1.1\r\n{lines}\r\n".encode())
            assert raw.recv(100).split()[1] in (b"400", b"421")


def test_other_pages_cannot_rate_nor_look(served):
    asked = state(served)["progress"]["n_asked"]
    number = state(served)["questions"][0]["number"]
    body = {"number": number, "act": "rated", "grade": 1}
    port = urlsplit(served[0].address).port
    others = (None, "null", "http://evil.example", f"https://127.0.0.1:{port}", "http://127.0.0.1")
    for origin in (*others, f"http://localhost:{port}", f"http://127.0.0.1:{port + 1}"):
        for path in ("answer", "undo", "change", "finish"):
            assert ask(served, path, body, headers={"Origin": origin})[0] == 403, origin
    for site in ("cross-site", "same-site"):
        assert ask(served, "state", headers={"Sec-Fetch-Site": site})[0] == 403
        assert ask(served, "answer", body, headers={"Sec-Fetch-Site": site})[0] == 403
    assert ask(served, "state", headers={"Origin": "http://evil.example"})[0] == 403
    # What a form can send without asking.
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        assert ask(served, "answer", body, headers={"Content-Type": kind})[0] == 415
    for method in ("OPTIONS", "PUT", "DELETE", "TRACE"):
        assert ask(served, "answer", method=method)[0] == 403
    assert state(served)["progress"]["n_asked"] == asked


def test_nothing_but_photos_is_served_and_these_by_number_alone(served):
    paths = [
        "photo/20",
        "photo/-1",
        "photo/99999999999999999999",
        "photo/0.png",
        "photo/0/",
        "photo/",
    ]
    paths += [
        "photo/../../secret.txt",
        "photo/..%2f..%2fsecret.txt",
        "photo/%2e%2e/%2e%2e/secret.txt",
    ]
    paths += [
        "..%2frate.js",
        "../server.py",
        "..\\server.py",
        "web/rate.js",
        "rate.html",
        "%00",
        "0.png",
    ]
    paths += ["ratings.sqlite", "photo/0%00.png", "photo/%D9%A3", "/etc/passwd", "//etc/passwd"]
    for path in paths:
        status, _, body = ask(served, path)
        assert status == 404 and b"secret" not in body, path


def test_answers_that_are_none_are_refused_in_words(served):
    asked = state(served)["progress"]["n_asked"]
    number = state(served)["questions"][0]["number"]
    bodies = [b"", b"{", b"[1]", b"null", b'"x"', b"\xff", b"[" * 900, {}, {"number": number}]
    bodies += [
        {"number": number, "act": "rated", "grade": grade} for grade in ("5", 9, [], {}, None)
    ]
    bodies += [{"number": number, "act": act} for act in ("undone", 3, None, {})]
    for body in bodies:
        status, _, told = ask(served, "answer", body)
        assert status == 400 and "problem" in json.loads(told), body
    assert ask(served, "answer", b" " * 2000)[0] == 413
    assert ask(served, "answer", {"number": number + 100, "act": "skipped"})[0] == 409
    assert state(served)["progress"]["n_asked"] == asked


def test_before_a_photo_is_rated_nothing_that_was_learnt_is_told_and_afterwards_it_is(served):
    for _ in range(8):
        told = state(served)
        assert all(set(each) == {"number", "photos", "names"} for each in told["questions"])
        question = told["questions"][0]
        status, _, body = ask(
            served, "answer", {"number": question["number"], "act": "rated", "grade": 3}
        )
        assert status == 200
        after = json.loads(body)
        assert all(set(each) == {"number", "photos", "names"} for each in after["questions"])
        assert after["told"]["photos"] == question["photos"]
    assert after["told"]["predicted"] is not None


def test_a_photo_that_vanished_or_is_none_is_not_there(served):
    session = served[1]
    with open(session.paths[19], "rb") as file:
        content = file.read()
    with open(session.paths[19], "wb") as file:
        file.write(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    assert ask(served, "photo/19")[0] == 404
    assert ask(served, "photo/19?small")[0] == 404
    with open(session.paths[19], "wb") as file:
        file.write(content)
    status, headers, body = ask(served, "photo/19")
    assert (status, headers["Content-Type"], body) == (200, "image/png", content)
    assert ask(served, "photo/19?small")[1]["Content-Type"] == "image/webp"


def test_names_that_are_no_text_are_told_as_far_as_they_are():
    assert displayable("caf\udce9.jpg") == "caf�.jpg"
