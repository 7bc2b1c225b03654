"""A headless Chromium, driven through its debugging pipe: no package is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from features.errors import InputError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

_CODES = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35}
_CODES |= {"Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
_CODES |= {"Backspace": 8, "Delete": 46}
# Bits of the protocol's "modifiers".
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


class Browser:
    """One page in Chromium, which has no network but this machine.

    Parameters
    ----------
    profile : path-like
        A new folder.
    *more : str
        More switches of Chromium's.

    Raises
    ------
    InputError
        If there is no Chromium.
    """

    def __init__(self, profile: str | os.PathLike, *more: str):
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise InputError(f"needs Chromium: none of {', '.join(PROGRAMS)} is there")
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        # Chromium reads its commands from descriptor 3 and answers on 4.
        launch = f'exec "$@" 3<&{reads} 4>&{writes}'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        options += ["--disable-background-networking", "--disable-component-update"]
        options += ["--disable-sync", "--no-first-run", f"--user-data-dir={profile}"]
        # Every name resolves to nothing, but this machine: what the page asked of the network would
        # fail.
        options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", *more]
        self._process = subprocess.Popen(
            ["bash", "-c", launch, "bash", program, *options, "about:blank"],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._answers = os.fdopen(self._from, "rb")
        self._pending = b""
        self._number = 0
        self._session = None
        self.events: list[dict] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters) -> dict:
        """Send one command of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        # A pipe takes what it has room for.
        rest = memoryview(json.dumps(message).encode() + b"\0")
        while rest:
            rest = rest[os.write(self._to, rest) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def open(self, path: Path) -> None:
        """Open a page from a file, which has kept nothing so far, and wait until it has run."""
        self.visit(path.absolute().as_uri())

    def visit(self, url: str) -> None:
        """Open a page by its address, as `open` does one from a file."""
        self.events.clear()
        forget = "localStorage.clear(); sessionStorage.clear()"
        script = self.call("Page.addScriptToEvaluateOnNewDocument", source=forget)
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")
        self.call("Page.removeScriptToEvaluateOnNewDocument", **script)

    def reload(self) -> None:
        """Load the page once more and wait until it has run."""
        self.run("window.isOld = true")
        self.call("Page.reload")
        self.wait_for("!window.isOld && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, script: str, seconds: float = 60) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def errors(self) -> list[str]:
        """Exceptions that nothing caught, and errors that the browser logged, since `open`."""
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            elif event.get("method") == "Log.entryAdded":
                entry = event["params"]["entry"]
                found.append(f"{entry['text']} {entry.get('url', '')}")
        return found

    def press(self, key: str, modifier: str | None = None) -> None:
        """Press and release a key where the focus is."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else None)
        event = {"key": key, "windowsVirtualKeyCode": _CODES.get(key, ord(key[0].upper()))}
        if modifier:
            event["modifiers"] = MODIFIERS[modifier]
            text = None if modifier != "Shift" else text
        down = event | ({"text": text} if text else {})
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def click(self, selector: str) -> None:
        """Click with the mouse in the middle of the first element that matches."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.drag([(x, y)])

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Press the mouse's button at the first point and let go at the last: a click at one."""
        self._mouse("mouseMoved", points[0])
        self._mouse("mousePressed", points[0], button="left", clickCount=1)
        for point in points[1:]:
            self._mouse("mouseMoved", point, button="left", buttons=1)
        self._mouse("mouseReleased", points[-1], button="left", clickCount=1)

    def wheel(self, point: tuple[float, float], down: float) -> None:
        """Turn the mouse's wheel by so many pixels."""
        self._mouse("mouseWheel", point, deltaX=0, deltaY=down)

    def touch(self, points: list[tuple[float, float]]) -> None:
        """Touch the first point, and let go at the last: a tap at one, a swipe along several."""
        for kind, point in zip(
            ["touchStart", *["touchMove"] * (len(points) - 1)], points, strict=True
        ):
            places = [{"x": point[0], "y": point[1]}]
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=places)
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def resize(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        """Give the window a size, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def prefer(self, scheme: str) -> None:
        """Let the page be "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def printed(self) -> bytes:
        """The page as it is printed, as PDF on A4."""
        printed = self.call(
            "Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69
        )
        return base64.b64decode(printed["data"])

    def longest_task(self, script: str) -> tuple[Any, float]:
        """The value of an expression, and what the page's longest task took of it.

        In milliseconds of its thread's own time: what other processes take does not count.
        """
        # The mark tells the page's thread from those of other pages, which Chromium keeps ready.
        self._of_browser("Tracing.start", categories="toplevel,blink.user_timing")
        self.run("performance.mark('the page'), 0")
        value, since = self.run(script), len(self.events)
        self._of_browser("Tracing.end")
        while self.events[-1].get("method") != "Tracing.tracingComplete":
            self.events.append(self._read())
        parts, self.events[since:] = self.events[since:], []
        events = [event for part in parts for event in part["params"].get("value", [])]
        threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "the page"}
        tasks = [
            event.get("tdur", 0) / 1000
            for event in events
            if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in threads
        ]
        return value, max(tasks)

    def renderer_megabytes(self) -> float:
        """Resident memory of the process that the page is in, on Linux."""
        return self._renderer()[0]

    def renderer_process(self) -> int:
        """The number of the process that the page is in."""
        return self._renderer()[1]

    def _renderer(self):
        # Chromium keeps others ready, which are small.
        processes = self._of_browser("SystemInfo.getProcessInfo")["processInfo"]
        return max(
            (int(line.split()[1]) * 1024 / 1e6, process["id"])
            for process in processes
            if process["type"] == "renderer"
            for line in Path(f"/proc/{process['id']}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )

    def close(self) -> None:
        """End the browser."""
        self._session = None
        os.write(self._to, b'{"id": 0, "method": "Browser.close"}\0')
        self._process.wait(timeout=60)
        os.close(self._to)
        self._answers.close()

    def _of_browser(self, method, **parameters):
        """Like `call`, but of the browser, and not of its page."""
        session, self._session = self._session, None
        try:
            return self.call(method, **parameters)
        finally:
            self._session = session

    def _mouse(self, kind, point, **values):
        self.call("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], **values)

    def _read(self):
        while b"\0" not in self._pending:
            chunk = self._answers.read1(1 << 20)
            assert chunk, "Chromium ended"
            self._pending += chunk
        message, self._pending = self._pending.split(b"\0", 1)
        return json.loads(message)
