"""Chromium without a window, driven over its DevTools protocol by a pipe: no port, no library."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 90


class Browser:
    """One browser with one tab. Notes every request, error and message of the console."""

    def __init__(self, width=1360, height=900):
        self.profile = tempfile.mkdtemp(prefix="ringmq-browser-")
        to_browser, self.to_browser = os.pipe()
        self.from_browser, from_browser = os.pipe()

        def give_pipes():
            # The browser reads from descriptor 3 and writes to 4.
            first, second = os.dup(to_browser), os.dup(from_browser)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
             "--disable-component-update", "--disable-background-networking", "--no-proxy-server",
             "--force-color-profile=srgb", "--hide-scrollbars", "--lang=en-US",
             f"--user-data-dir={self.profile}", f"--window-size={width},{height}", "about:blank"],
            preexec_fn=give_pipes, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.last_id = 0
        self.replies = {}
        self.session = None
        self.requests = []
        self.faults = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (OSError, RuntimeError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method, **params):
        """Has the browser do something, and waits for its answer."""
        self.last_id += 1
        own = self.last_id
        message = {"id": own, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while own not in self.replies:
            self._take(deadline, method)
        reply = self.replies.pop(own)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def _take(self, deadline, what):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.from_browser], [], [], left)[0]:
            raise TimeoutError(f"the browser does not answer {what}")
        data = os.read(self.from_browser, 1 << 20)
        if not data:
            raise RuntimeError("the browser has ended")
        *whole, self.buffer = (self.buffer + data).split(b"\0")
        for text in whole:
            message = json.loads(text)
            if "id" in message:
                self.replies[message["id"]] = message
            else:
                self._note(message["method"], message["params"])

    def _note(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.faults.append(f"exception: {text}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            values = [arg.get("value", arg.get("description")) for arg in params["args"]]
            self.faults.append(f"console: {values}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            fault = f"log: {entry['text']} {entry.get('url', '')}"
            # A broker without a password file says so, and the page shows it.
            if not ("409" in fault and "/api/v1/users?" in fault):
                self.faults.append(fault)
        elif method == "Page.javascriptDialogOpening":
            self.faults.append(f"dialog: {params['message']}")
            self.last_id += 1
            reply = {"id": self.last_id, "method": "Page.handleJavaScriptDialog",
                     "params": {"accept": True}, "sessionId": self.session}
            os.write(self.to_browser, json.dumps(reply).encode() + b"\0")

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of an expression in the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            raise RuntimeError(f"{script[:200]}: {text}")
        return result["result"].get("value")

    def wait(self, script, what=None):
        """Waits until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.run(f"Boolean({script})"):
                return
            # Lets the page work and waits for its answer, so no duration is guessed.
            self.run("new Promise((then) => setTimeout(then, 30))")
        text = self.run("document.body && document.body.innerText.slice(0, 2000)")
        raise AssertionError(f"{what or script} did not come; the page says:\n{text}\n{self.faults}")

    def size(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)

    def media(self, **features):
        named = [{"name": name.replace("_", "-"), "value": value}
                 for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def key(self, name):
        codes = {"Escape": 27, "Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                      windowsVirtualKeyCode=codes[name], **text)

    def screenshot(self, path, full=False):
        import base64
        params = {"captureBeyondViewport": True} if full else {}
        if full:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            params["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": min(4000, size["height"]), "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", **params)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
