"""The page for operators in Chromium, at a broker with real clients.

Arguments: the broker's port and process, the page's origin, a code to sign in with, a token that
may only read, axe-core's file, and perhaps a directory for pictures.
"""

import json
import os
import signal
import sys
import threading

import paho.mqtt.client as mqtt

from browser import PATIENCE, Browser

PORT, PROCESS, ORIGIN, CODE, READER, AXE = sys.argv[1:7]
SHOTS = sys.argv[7] if len(sys.argv) > 7 else None
PAGES = ["overview", "clients", "closed", "sessions", "retained", "tail", "trace", "log", "access"]

# Client ids, topics and payloads that attack an operator who looks at the page.
EVIL = "<img src=x onerror=\"window.hacked='id'\">"
QUOTES = "\"' onmouseover='window.hacked=1' x=\"</td></table><script>window.hacked=2</script>"
TURNED = "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd\ttab\nline"
LONG = "long-" + "x" * 1000
TOPIC = "evil/<img src=x onerror=window.hacked=3>/\"'"
PAYLOAD = "<script>window.hacked=4</script>" + "y" * 65_536


def connect(name, clean=True):
    """A client that is let in, or the failure of the test."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
    is_in = threading.Event()
    client.on_connect = lambda _c, _u, _f, code, _p: None if code.is_failure else is_in.set()
    client.connect("127.0.0.1", int(PORT), keepalive=60)
    client.loop_start()
    assert is_in.wait(PATIENCE), f"{name[:40]!r} is not let in"
    return client


def subscribe(client, topic):
    is_done = threading.Event()
    client.on_subscribe = lambda *_: is_done.set()
    client.subscribe(topic, 1)
    assert is_done.wait(PATIENCE), "no SUBACK"


def populate():
    clients = [connect(name) for name in (EVIL, QUOTES, TURNED, LONG, "victim")]
    absent = connect("absent", clean=False)
    subscribe(absent, "evil/#")
    absent.disconnect()
    absent.loop_stop()
    for topic in (TOPIC, "plain/topic"):
        clients[0].publish(topic, PAYLOAD, 1, True).wait_for_publish(PATIENCE)
    clients[0].publish("plain/json", json.dumps({"a": [1, "<b>"]}), 1, True).wait_for_publish(PATIENCE)
    clients[0].publish("plain/bytes", bytes(range(256)), 1, True).wait_for_publish(PATIENCE)
    return clients


def expect(browser, script, what):
    assert browser.run(f"Boolean({script})"), f"{what}; the page says:\n" + browser.run(
        "document.body.innerText.slice(0, 1500)")


def show(browser, page):
    """Opens a page, as its link does, and waits until it is there."""
    browser.run(f"location.hash = '#/{page}'")
    name = page.split("?")[0]
    browser.wait(f"document.querySelector('.page-{name}')?.dataset.ready === 'yes'", page)


def shows(text):
    return f"document.body.innerText.includes({json.dumps(text)})"


def has_button(text):
    return (f"[...document.querySelectorAll('button')].some((b) => "
            f"b.textContent.trim() === {json.dumps(text)} && b.offsetParent !== null)")


def click(browser, text, within="body"):
    script = (f"[...document.querySelectorAll({json.dumps(within + ' button')})]"
              f".find((b) => b.textContent.trim().startsWith({json.dumps(text)}))")
    browser.wait(script, f"the button {text}")
    browser.run(f"{script}.click()")


def is_available(browser, page_text="Not available in this broker"):
    return not browser.run(shows(page_text))


def check_harmless(browser, where):
    """Nothing that a client chose has become markup or has run."""
    expect(browser, "window.hacked === undefined", f"something ran on {where}")
    markup = browser.run(
        "[...document.querySelectorAll('img, script, iframe, object, [onerror], [onmouseover]')]"
        ".filter((it) => !['/page/icon.svg', '/page/app.js'].includes(it.getAttribute('src')))"
        ".map((it) => it.outerHTML.slice(0, 100))")
    assert not markup, f"markup on {where}: {markup}"
    styled = browser.run("document.querySelectorAll('[style]').length")
    assert styled == 0, f"styles in attributes on {where}"


def check_rules(browser, where):
    """axe-core finds nothing that keeps somebody out."""
    found = browser.run(
        "axe.run(document, { resultTypes: ['violations'] }).then((told) => told.violations.map("
        "(it) => [it.id, it.nodes.length, it.nodes[0].html.slice(0, 200), "
        "it.nodes[0].failureSummary.slice(0, 300)]))")
    assert not found, f"axe on {where}: " + json.dumps(found, indent=1)


def check_width(browser, where):
    """A narrow screen shows a page without being moved sideways."""
    over = browser.run("document.documentElement.scrollWidth - innerWidth")
    assert over <= 0, f"{where} is {over} pixels too wide"


def sign_in_with_code(browser):
    browser.open(f"{ORIGIN}/#code={CODE}")
    browser.wait("document.querySelector('nav')", "the pages after signing in")
    expect(browser, "!location.href.includes('code=')", "the code stays in the address")
    expect(browser, "document.cookie === '' && sessionStorage.getItem('ringmq.token')",
           "the token is not in the tab alone")
    browser.wait("document.querySelector('.state strong').textContent !== 'connecting'", "figures")


def look_at_all(browser):
    with open(AXE, encoding="utf-8") as file:
        browser.run(file.read() + "; undefined")
    for page in PAGES:
        show(browser, page)
        check_harmless(browser, page)
        check_rules(browser, page)
        if SHOTS:
            browser.screenshot(f"{SHOTS}/test-{page}.png")
    browser.media(prefers_color_scheme="dark")
    for page in ("overview", "sessions", "log"):
        show(browser, page)
        check_rules(browser, f"{page}, dark")
    browser.size(390, 800, mobile=True)
    for page in PAGES:
        show(browser, page)
        check_width(browser, page)
        if SHOTS:
            browser.screenshot(f"{SHOTS}/test-{page}-narrow.png", full=True)
    check_rules(browser, "narrow")
    browser.size(1360, 900)
    browser.media(prefers_color_scheme="light")


def look_at_figures(browser):
    show(browser, "overview")
    browser.wait("/^\\d/.test(document.querySelector('.tile .value').textContent)", "rates")
    expect(browser, "document.querySelectorAll('.shard').length === 2", "both shards have a load")
    expect(browser, "[...document.querySelectorAll('.chart')].every((it) => "
           "it.getAttribute('aria-label').includes(': '))", "charts are told in words")


def look_at_clients(browser):
    show(browser, "clients")
    for text in (EVIL, QUOTES[:48], "⟨202E⟩gnp.exe", "⟨0009⟩tab⟨000A⟩line", "long-xxx"):
        expect(browser, shows(text), f"{text!r} is not shown as text")
    for name in (EVIL, "⟨202E⟩", "long-"):
        click(browser, name, ".page")
        browser.wait("document.querySelector('dialog.drawer dl')", f"the details of {name!r}")
        check_harmless(browser, f"the details of {name!r}")
        check_width(browser, "the details")
        if name == EVIL:
            check_rules(browser, "the details")
        browser.key("Escape")
        browser.wait("!document.querySelector('dialog')", "the panel closes")
    # By keyboard: Enter on the button of the first row opens the panel; the focus then returns to
    # it.
    browser.run("document.querySelector('.page tbody button').focus()")
    browser.key("Enter")
    browser.wait("document.querySelector('dialog.drawer dl')", "the details by keyboard")
    browser.key("Escape")
    browser.wait("document.activeElement.matches('.page tbody button')", "the focus comes back")


def look_at_sessions(browser):
    show(browser, "sessions")
    expect(browser, "[...document.querySelectorAll('.card tbody tr')].some((row) => "
           "row.innerText.includes('absent') && /\\b1\\b/.test(row.innerText))",
           "the session with a message that waits is not among the first")


def look_at_messages(browser):
    """Retained messages and those that wait, if this broker tells of them."""
    show(browser, "retained")
    if is_available(browser):
        browser.run("document.querySelectorAll('.tree summary').forEach((it) => it.click())")
        click(browser, "topic", ".tree")
        browser.wait("document.querySelector('.payload')", "the payload")
        expect(browser, shows("<script>window.hacked=4</script>yyy"), "the payload is text")
        check_harmless(browser, "a retained message")
        check_rules(browser, "a retained message")
        click(browser, "json", ".tree")
        browser.wait(shows('"<b>"'), "JSON")
        click(browser, "bytes", ".tree")
        browser.wait(shows("00 01 02 03"), "hexadecimal digits")
        if SHOTS:
            browser.screenshot(f"{SHOTS}/test-retained-message.png")
    show(browser, "sessions")
    click(browser, "absent", ".page")
    click(browser, "Peek", "dialog")
    browser.wait("document.querySelector('dialog .message, dialog .empty')", "what waits")
    check_harmless(browser, "what waits")
    browser.key("Escape")


def look_at_rights(browser):
    """Who would get a message, if this broker tells it."""
    show(browser, "access")
    form = "[...document.querySelectorAll('.page form')].at(-1)"
    browser.run(f"{form}.elements.topic.value = {json.dumps(TOPIC)}; {form}.requestSubmit()")
    browser.wait(f"{form}.nextElementSibling.childElementCount", "an answer")
    if not browser.run(f"Boolean({form}.nextElementSibling.querySelector('.empty'))"):
        expect(browser, shows("it waits until its client comes"), "the absent session gets it")
        check_rules(browser, "who gets a message")
    check_harmless(browser, "who gets a message")


def look_at_traffic(browser, client):
    """What passes is seen while it does, if this broker has traces."""
    show(browser, "tail")
    click(browser, "Follow", ".page")
    browser.wait("/running|not started/.test(document.querySelector('.pager').innerText)", "a tail")
    if not is_available(browser):
        return
    client.publish(TOPIC, PAYLOAD, 1).wait_for_publish(PATIENCE)
    browser.wait("document.querySelector('details.event')", "an event")
    browser.run("document.querySelector('details.event').open = true")
    browser.wait("document.querySelector('.event .payload')", "the payload of an event")
    check_harmless(browser, "a tail")
    check_rules(browser, "a tail")
    click(browser, "Stop", ".page")


def look_at_silence(browser):
    """What is not heard of is grey and has an age; it is well again when it speaks."""
    show(browser, "overview")
    os.kill(int(PROCESS), signal.SIGSTOP)
    try:
        browser.wait("document.querySelectorAll('.shard.silent').length === 2", "grey shards")
        expect(browser, "document.querySelector('.alarms').innerText.includes('silent')",
               "nothing tells of the silence")
        browser.wait("/silent, figures .* old/.test(document.querySelector('.shard').innerText)",
                     "the age of figures")
    finally:
        os.kill(int(PROCESS), signal.SIGCONT)
    browser.wait("!document.querySelector('.shard.silent, .alarm')", "all is well again")


def act(browser):
    show(browser, "clients?id_prefix=victim")
    click(browser, "victim", ".page")
    click(browser, "Disconnect", "dialog.drawer")
    browser.wait("document.querySelector('dialog.confirm')", "a question")
    check_rules(browser, "a question")
    click(browser, "Cancel", "dialog.confirm")
    browser.wait("!document.querySelector('dialog.confirm')", "the question is gone")
    click(browser, "Disconnect", "dialog.drawer")
    click(browser, "Disconnect", "dialog.confirm")
    browser.wait("document.querySelector('.toast.ok')", "it says what was done")


def look_as_reader(browser):
    """Whoever may only read has nothing to press that changes something."""
    browser.run(f"document.querySelector('#secret').value = {json.dumps(READER)}")
    browser.run("document.querySelector('form').requestSubmit()")
    browser.wait("document.querySelector('nav')", "the pages after signing in with a token")
    expect(browser, shows("read only"), "it is not said that one may only look")
    for page in PAGES:
        show(browser, page)
        expect(browser, "!document.querySelector('.danger')", f"{page} has a button that ends")
        for text in ("Reload", "Set", "Follow", "Trace"):
            expect(browser, "!" + has_button(text), f"{page} has the button {text}")
    show(browser, "sessions")
    click(browser, "absent", ".page")
    browser.wait("document.querySelector('dialog.drawer dl')", "the details")
    expect(browser, "!document.querySelector('dialog .danger, dialog a.button')",
           "the details have a button that ends")
    browser.key("Escape")


def main():
    clients = populate()
    with Browser() as browser:
        sign_in_with_code(browser)
        look_at_all(browser)
        look_at_figures(browser)
        look_at_clients(browser)
        look_at_sessions(browser)
        look_at_messages(browser)
        look_at_rights(browser)
        look_at_traffic(browser, clients[1])
        look_at_silence(browser)
        act(browser)
        browser.run("document.querySelector('[aria-label=\"Sign out\"]').click()")
        browser.wait("document.querySelector('#secret')", "the form after signing out")
        expect(browser, "sessionStorage.getItem('ringmq.token') === null", "the token stays")
        look_as_reader(browser)
        foreign = [url for url in browser.requests if not url.startswith(ORIGIN + "/")]
        assert not foreign, f"requests leave the origin: {foreign}"
        assert not browser.faults, "faults:\n" + "\n".join(browser.faults)
    for client in clients:
        client.disconnect()
        client.loop_stop()
    print("the page does what it must")


main()
