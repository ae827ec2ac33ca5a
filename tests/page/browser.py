"""A headless Chromium with a hand: pages are opened, pointed at and asked by the browser's own debugging protocol, over a pipe. Nothing but Python's library.

    with Browser() as browser:
        page = browser.open("run.html", dark=True)
        page.click(x, y); page.ask("document.title"); page.picture("run.png")
        page.errors, page.requests          what the console complained of; addresses asked for beside the page itself
"""

import base64
import json
import os
import select
import subprocess
import tempfile
import time

WAIT_S = 60  # a loaded machine may need long for a large page; a page that is stuck must end the test all the same

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--allow-file-access-from-files", "--remote-debugging-pipe"]


class Browser:
    def __init__(self, width=1500, height=1000):
        self.size, self.next, self.rest, self.pages = (width, height), 0, b"", {}

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory()
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def ends():  # the protocol is spoken on 3 and 4
            os.dup2(to_browser, 103)
            os.dup2(from_browser, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(["chromium", *OPTIONS, f"--user-data-dir={self.profile.name}"], preexec_fn=ends, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.into)
        try:
            self.profile.cleanup()
        except OSError:
            pass  # its children may still write there

    def read(self, until):
        while b"\0" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.into], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            bytes_ = os.read(self.into, 1 << 20)
            if not bytes_:
                raise RuntimeError("the browser has gone")
            self.rest += bytes_
        line, self.rest = self.rest.split(b"\0", 1)
        said = json.loads(line)
        page = self.pages.get(said.get("sessionId"))
        if page and "method" in said:
            page.heard(said["method"], said["params"])
        return said

    def call(self, method, session=None, **params):
        self.next += 1
        wanted = self.next
        message = {"id": wanted, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + WAIT_S
        while True:
            said = self.read(until)
            if said.get("id") == wanted:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                return said["result"]

    def open(self, file, fragment="", dark=False):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.load("file://" + os.path.abspath(file) + fragment, dark)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session, self.errors, self.requests, self.loaded = browser, session, [], [], False
        browser.pages[session] = self

    def heard(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(str(params["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def load(self, address, dark):
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        width, height = self.browser.size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=address)
        until = time.monotonic() + WAIT_S
        while not self.loaded:
            self.browser.read(until)
        self.requests.remove(address.split("#")[0])
        self.drawn()

    def ask(self, script):
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        return answer["result"].get("value")

    def drawn(self):
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else "left", clickCount=1)
        self.drawn()

    def wheel(self, x, y, by):
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)
        self.drawn()

    def key(self, name):
        more = {"text": name} if len(name) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name)
        self.drawn()

    def picture(self, file, whole=False):
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]))
