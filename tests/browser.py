"""A headless Chromium that tests drive through its debugging pipe: no package is needed."""

import json
import os
import shutil
import subprocess
import time

import pytest


class Browser:
    """One page in Chromium, which has no network.

    Parameters
    ----------
    profile : path
        A new folder.
    """

    def __init__(self, profile):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        program = program or shutil.which("google-chrome")
        if program is None:
            pytest.skip("needs Chromium")
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        # Chromium reads its commands from descriptor 3 and answers on 4.
        launch = f'exec "$@" 3<&{reads} 4>&{writes}'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        options += ["--disable-background-networking", "--disable-component-update"]
        options += ["--disable-sync", "--no-first-run", f"--user-data-dir={profile}"]
        # Every name resolves to nothing: what the page asked of the network would fail.
        options += ["--host-resolver-rules=MAP * ~NOTFOUND"]
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
        self.events = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Send one command of the DevTools protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        """Open a page from a file and wait until it has run."""
        self.events.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def run(self, script):
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

    def wait_for(self, script, seconds=60):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def press(self, key, text=None):
        """Press and release a key where the focus is; ``text`` is what it types, if anything."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else None) if text is None else text
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        event = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        down = event | ({"text": text} if text else {})
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def click(self, selector):
        """Click with the mouse in the middle of the first element that matches."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        where = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **where)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **where)

    def resize(self, width, height, scale=1):
        """Give the window a size, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def close(self):
        """End the browser."""
        self._session = None
        os.write(self._to, b'{"id": 0, "method": "Browser.close"}\0')
        self._process.wait(timeout=60)
        os.close(self._to)
        self._answers.close()

    def _read(self):
        while b"\0" not in self._pending:
            chunk = self._answers.read1(1 << 16)
            assert chunk, "Chromium ended"
            self._pending += chunk
        message, self._pending = self._pending.split(b"\0", 1)
        return json.loads(message)
