"""The page for operators in Chromium while its broker is killed and started again: it says so, and
comes back by itself.

Arguments: the broker's program, its data directory, which must not exist, and a port for operators.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

from browser import PATIENCE, Browser

BROKER, DATA, PORT = sys.argv[1:4]
ORIGIN = f"http://127.0.0.1:{PORT}"
PAGES = ["overview", "clients", "closed", "sessions", "retained", "tail", "trace", "log", "access"]

# What the browser itself logs of requests that do not reach the broker.
UNREACHED = ["net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
             "net::ERR_CONNECTION_RESET", "net::ERR_EMPTY_RESPONSE", "net::ERR_SOCKET_NOT_CONNECTED"]

# The parts of a page: two of any mean that something is there twice.
PARTS = """JSON.stringify(['h1', 'nav a', '.topline', '.alarms', '.page', '.page form', '.page .card',
    '.page .chart', '.page table', '.page .pager', '.page .shard']
    .map((part) => [part, document.querySelectorAll(part).length]))"""


class Broker:
    """A broker on the same port and directory each time."""

    def __init__(self):
        self.log = pathlib.Path(DATA + ".log")
        self.start()

    def start(self):
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [BROKER, "--listen", "127.0.0.1:0", "--shards", "2", "--data-dir", DATA,
                 "--ring", os.environ.get("RINGMQ_TEST_RING", "auto"),
                 "--http-listen", f"127.0.0.1:{PORT}"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        deadline = time.monotonic() + PATIENCE
        while b"answering operators on http" not in self.log.read_bytes()[begun:]:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def token(self):
        return (pathlib.Path(DATA) / "admin.token").read_text().strip()

    def code(self):
        """A code to sign in with, as `ringmq ctl dashboard` gets it."""
        request = urllib.request.Request(
            f"{ORIGIN}/api/v1/dashboard", method="POST", data=b"{}",
            headers={"authorization": f"Bearer {self.token()}", "content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["code"]


def show(browser, page):
    browser.run(f"location.hash = '#/{page}'")
    browser.wait(f"document.querySelector('.page-{page}')?.dataset.ready === 'yes'", page)


def state(browser):
    return browser.run("document.querySelector('.state strong').textContent")


def wait_until_live(browser, what):
    browser.wait("['well', 'look'].includes(document.querySelector('.state strong')?.textContent) &&"
                 " !document.querySelector('.topline.stale') &&"
                 " !document.querySelector('.alarms').innerText.includes('reached')", what)


def wait_until_lost(browser, what):
    browser.wait("document.querySelector('.state strong').textContent === 'not reached' &&"
                 " document.querySelector('.alarms').innerText.includes('has not been reached')",
                 what)


def streams(browser):
    return sum(url.endswith("/api/v1/live") for url in browser.requests)


def expect_no_old_fault(browser, page):
    faults = browser.run("[...document.querySelectorAll('.page .bad[role=alert]')]"
                         ".map((it) => it.innerText)")
    assert not any("reached" in fault for fault in faults), f"{page} shows an old fault: {faults}"


def kill_and_start(browser, broker, page):
    """A page that is open while its broker is away says so, and is whole again with it."""
    show(browser, page)
    wait_until_live(browser, f"figures at {page}")
    before = browser.run(PARTS)
    broker.kill()
    wait_until_lost(browser, f"that the broker is away, at {page}")
    broker.start()
    wait_until_live(browser, f"the broker again, at {page}")
    browser.wait(f"document.querySelector('.page-{page}')?.dataset.ready === 'yes' &&"
                 f" {PARTS} === {json.dumps(before)}",
                 f"all parts of {page} once, {before}; now {browser.run(PARTS)}")
    expect_no_old_fault(browser, page)
    odd = browser.run("/NaN|Infinity|undefined|[-\u2212]\\d/.test("
                      "document.querySelector('.topline').innerText)")
    assert not odd, "figures: " + browser.run("document.querySelector('.topline').innerText")


def open_while_away(browser, broker, page):
    """A page that is opened while the broker is away says so, and comes with it."""
    show(browser, "overview" if page != "overview" else "log")
    wait_until_live(browser, "figures")
    broker.kill()
    wait_until_lost(browser, "that the broker is away")
    show(browser, page)
    browser.wait("document.querySelector('.page .bad[role=alert]')?.innerText"
                 ".includes('The broker is not reached')", f"why {page} is empty")
    broker.start()
    wait_until_live(browser, "the broker again")
    browser.wait("!document.querySelector('.page .bad[role=alert]') &&"
                 f" document.querySelector('.page-{page}')?.dataset.ready === 'yes'",
                 f"{page} by itself")


def log_goes_on(browser, broker):
    """The log has the lines of both brokers, each once."""
    show(browser, "log")
    lines = ("[...document.querySelectorAll('.lines > div')].map((it) => it.innerText)"
             ".filter((it) => it.includes('answering operators on http'))")
    browser.wait(f"{lines}.length === 1", "the line of this start")
    for count in (2, 3):
        broker.kill()
        wait_until_lost(browser, "that the broker is away")
        broker.start()
        browser.wait(f"{lines}.length === {count}", f"the lines of {count} starts")
        wait_until_live(browser, "figures")
        told = ("[...document.querySelectorAll('.lines > .warn')].filter((it) => "
                "it.innerText === 'The broker was started again').length")
        assert browser.run(told) == count - 1, "each start is told once"
        assert browser.run(f"{lines}.length") == count, "a line is there twice"


def one_stream(browser):
    """One stream feeds the page, however often it was lost."""
    before = streams(browser)
    for page in ("clients", "overview", "log", "overview"):
        show(browser, page)
    assert streams(browser) == before, "streams of live figures pile up"


def sign_in_again(browser, broker):
    """A sign-in by a code ends with its broker: the form says why."""
    browser.open(f"{ORIGIN}/#code={broker.code()}")
    browser.run("location.reload()")
    browser.wait("document.querySelector('nav')", "the pages after signing in with a code")
    wait_until_live(browser, "figures")
    broker.kill()
    wait_until_lost(browser, "that the broker is away")
    broker.start()
    browser.wait("document.querySelector('#secret')", "the form")
    browser.wait("document.querySelector('form .fault').innerText.includes('started again')",
                 "why one must sign in again")


def main():
    broker = Broker()
    with Browser() as browser:
        browser.open(f"{ORIGIN}/")
        browser.wait("document.querySelector('#secret')", "the form")
        browser.run(f"document.querySelector('#secret').value = {json.dumps(broker.token())}")
        browser.run("document.querySelector('form').requestSubmit()")
        browser.wait("document.querySelector('nav')", "the pages after signing in")
        try:
            for page in PAGES:
                kill_and_start(browser, broker, page)
            for page in ("clients", "retained"):
                open_while_away(browser, broker, page)
            log_goes_on(browser, broker)
            one_stream(browser)
            sign_in_again(browser, broker)
        finally:
            broker.kill()
            os.remove(broker.log)
        faults = [fault for fault in browser.faults
                  if not any(known in fault for known in UNREACHED) and "401" not in fault]
        assert not faults, "faults:\n" + "\n".join(faults)
    print("the page comes back")


main()
