"""What operators cost: see scripts/admin-cost, which calls this with checked options."""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse

PATIENCE_S = 60
# Shards repeat figures that are younger than this.
REUSE_S = 1.05


class Door(http.client.HTTPConnection):
    """HTTP over the socket in a data directory, where root needs no token."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def get(self, path, method="GET"):
        self.request(method, path)
        answer = self.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"!! {method} {path}: {answer.status} {body[:200]!r}")
        return body


class Broker:
    """A broker with a directory of its own, on a port that the system picks."""

    def __init__(self, shards, flags=(), core=None):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="ringmq-admin-cost-"))
        self.data, log = self.scratch / "data", self.scratch / "log"
        command = [str(BINARIES / "ringmq"), "--listen", "127.0.0.1:0", "--shards", str(shards),
                   "--data-dir", str(self.data), "--log-connections", "off", *flags]
        if "--http-listen" not in flags:
            command += ["--http-listen", "unix"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                on_core(core, command), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        begun = time.monotonic()
        answers = "none" in flags or "answering operators on"
        while not (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())) or \
                not (answers is True or answers in log.read_text()):
            if self.process.poll() is not None or time.monotonic() - begun > PATIENCE_S:
                raise SystemExit(f"!! the broker does not listen:\n{log.read_text()}")
            time.sleep(0.05)
        self.port, self.pid = int(found[1]), self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE_S)
        shutil.rmtree(self.scratch)

    def door(self):
        return Door(self.data / "admin.sock")

    def cpu_ns(self):
        """CPU time of each thread so far, by its name."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            found[name] = found.get(name, 0) + int((task / "schedstat").read_text().split()[0])
        return found

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return sum(int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1024 for name in ["RssAnon"])

    @contextlib.contextmanager
    def crowd(self, count):
        """So many clients that are connected and do nothing."""
        command = [str(BINARIES / "ringmq-bench"), "--port", str(self.port), "--idle", str(count),
                   "--duration", "3600", "--quiet"]
        own = self.sockets()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            begun = time.monotonic()
            while self.sockets() < own + count:
                if process.poll() is not None or time.monotonic() - begun > PATIENCE_S:
                    raise SystemExit(f"!! {count} clients do not connect")
                time.sleep(0.2)
            # Waits until the work of the last connections is done.
            time.sleep(2)
            yield
        finally:
            process.kill()
            process.wait()

    def sockets(self):
        """As the kernel counts them: a broker may answer no operators."""
        found = 0
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found += os.readlink(f"/proc/{self.pid}/fd/{name}").startswith("socket:")
        return found


def on_core(core, command):
    return ["taskset", "-c", str(core), *command] if core is not None else command


def bench(broker, *flags, core=None, first=False):
    """`first`: it does not wait for other processes on its core."""
    command = [str(BINARIES / "ringmq-bench"), "--port", str(broker.port), "--json", "--quiet",
               "--broker-pid", str(broker.pid), *map(str, flags)]
    if first and os.geteuid() == 0 and shutil.which("chrt"):
        command = ["chrt", "--fifo", "1", *command]
    done = subprocess.run(on_core(core, command), stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SystemExit("!! ringmq-bench failed")
    return json.loads(done.stdout)


class Asker:
    """Asks some paths each second, traces a client for a second again and again, and reads answers
    without end, until it is left."""

    def __init__(self, broker, asks, streams, traced=None):
        self.over, self.answers, self.events = threading.Event(), 0, 0
        work = [(self.ask, asks)] + [(self.read, [path]) for path in streams]
        work += [(self.trace, traced)] if traced else []
        self.threads = [threading.Thread(target=run, args=(broker.door(), of))
                        for run, of in work]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask(self, door, paths):
        while not self.over.is_set():
            for path in paths:
                door.get(path)
                self.answers += 1
            self.over.wait(1)

    def trace(self, door, client):
        client = urllib.parse.quote(client)
        while not self.over.is_set():
            trace = json.loads(door.get(f"/api/v1/traces?id={client}&seconds=1", "POST"))["trace"]
            told = door.get(f"/api/v1/trace/stream?id={trace}&format=text&end=true")
            self.events += told.count(b"\n")

    def read(self, door, paths):
        door.request("GET", paths[0])
        answer = door.getresponse()
        if answer.status != 200:
            raise SystemExit(f"!! GET {paths[0]}: {answer.status}")
        # The content and framing of the answer do not matter here.
        while not self.over.is_set():
            if select.select([door.sock], [], [], 0.5)[0] and not door.sock.recv(65536):
                raise SystemExit(f"!! GET {paths[0]} has ended")


def in_turn(pairs, run):
    """Pairs of runs without and with, the first of a pair by turns."""
    for pair in range(pairs):
        found = {}
        for with_it in [False, True] if pair % 2 == 0 else [True, False]:
            found[with_it] = run(with_it)
        yield found[False], found[True]


def table(title, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[at])) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell) for cell in row]
        print("  " + "  ".join([cells[0].ljust(widths[0])] +
                               [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]))


def spread(ratios):
    return f"{statistics.mean(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


CASES = [
    ("4->4 QoS 0 256 B", ["--publishers", 4, "--subscribers", 4, "--payload", 256]),
    ("1000 devices QoS 1 100 B",
     ["--publishers", 1000, "--topic", "dev/{p}/temp", "--filter", "dev/+/temp", "--qos", 1,
      "--window", 1, "--payload", 100]),
]


def cost(options):
    cores = (0, 1) if os.cpu_count() >= 2 and shutil.which("taskset") else (None, None)
    if cores[1] is not None:
        # The client of these requests must not use the broker's core.
        os.sched_setaffinity(0, {cores[1]})
    rows = [("case", "pair", "out/s", "asked", "ratio", "us/msg", "asked", "ratio", "p99 us",
             "asked")]
    for name, flags in CASES:
        rates, cpus, events = [], [], []

        def run(asked, flags=flags):
            with Broker(1, core=cores[0]) as broker:
                asker = Asker(broker, options.ask, options.stream, options.trace)
                with asker if asked else contextlib.nullcontext():
                    found = bench(broker, *flags, "--client-prefix", "cost-",
                                  "--duration", options.duration, core=cores[1], first=True)
                if asked and options.trace:
                    events.append(asker.events)
                return found

        for pair, (plain, asked) in enumerate(in_turn(options.pairs, run)):
            rate = [it["delivered_per_s"] for it in (plain, asked)]
            cpu = [it["broker_cpu_us_per_published"] for it in (plain, asked)]
            p99 = [it["latency_us_p99"] for it in (plain, asked)]
            rates.append(rate[1] / rate[0])
            cpus.append(cpu[1] / cpu[0])
            rows.append((name, pair + 1, f"{rate[0]:.0f}", f"{rate[1]:.0f}", f"{rates[-1]:.3f}",
                         f"{cpu[0]:.3f}", f"{cpu[1]:.3f}", f"{cpus[-1]:.3f}",
                         f"{p99[0]:.0f}", f"{p99[1]:.0f}"))
        rows.append((f"  all: messages {spread(rates)}, CPU {spread(cpus)}",) + ("",) * 9)
        if events:
            rows.append((f"  events traced in each run: {min(events)} to {max(events)}",) +
                        ("",) * 9)
    asked = " ".join(options.ask + [f"{path} (stream)" for path in options.stream] +
                     ([f"a trace of {options.trace}"] if options.trace else []))
    table(f"cost of {asked} each second, against none", rows)
    os.sched_setaffinity(0, range(os.cpu_count()))


def scrape(options):
    rows = [("path", "bytes", "ms until it is there", "admin us", "shard us", "worst shard us")]
    with Broker(options.shards) as broker, broker.crowd(options.clients):
        door = broker.door()

        def measured(work):
            before = broker.cpu_ns()
            for _ in range(options.scrapes):
                work()
                time.sleep(REUSE_S)
            after = broker.cpu_ns()
            used = {name: (after[name] - before.get(name, 0)) / options.scrapes / 1000
                    for name in after}
            return used["admin"], [used[f"shard-{n}"] for n in range(options.shards)]

        paths = ["/metrics", "/metrics/vhosts", "/metrics/sessions", "/api/v1/overview"]
        # The first answers also touch new memory.
        for path in paths:
            door.get(path)
            time.sleep(REUSE_S)
        idle_admin, idle_shards = measured(lambda: None)
        # The broker closes a connection that is idle for so long.
        door = broker.door()
        for path in paths:
            took, size = [], [0]

            def ask(path=path, took=took, size=size):
                begun = time.perf_counter()
                size[0] = len(door.get(path))
                took.append((time.perf_counter() - begun) * 1000)

            admin, shards = measured(ask)
            more = [max(0, asked - idle) for asked, idle in zip(shards, idle_shards)]
            rows.append((path, size[0], f"{statistics.median(took):.2f}",
                         f"{max(0, admin - idle_admin):.0f}", f"{statistics.mean(more):.1f}",
                         f"{max(more):.1f}"))
        steps = metric(broker, "ask_step_duration_seconds")
    table(f"one answer with {options.clients} clients on {options.shards} shards, CPU time", rows)
    table("one step of a shard for it, by the clock, time of other threads included",
          [("steps", "mean us", "p50 us", "p99 us", "p99.9 us"), step_row(steps)])


def list_all(door):
    """Lists all clients page by page; how many there are."""
    at, count = "", 0
    while True:
        page = json.loads(door.get(f"/api/v1/clients?limit=1000{at}"))
        count += len(page["items"])
        if not page.get("next"):
            return count
        at = f"&cursor={urllib.parse.quote(page['next'])}"


def listing(options):
    rows = [("pair", "listings", "p50 us", "listed", "p99.9 us", "listed", "max us", "listed")]
    # The shard has the first core; the admin thread, the load and the lister have the last one.
    last = os.cpu_count() - 1
    with Broker(1) as broker, broker.crowd(options.clients):
        os.sched_setaffinity(0, {last})
        listings = []

        def run(listed):
            over, counted = threading.Event(), [0]

            def work():
                door = broker.door()
                while not over.is_set():
                    if (count := list_all(door)) < options.clients:
                        raise SystemExit(f"!! {count} of {options.clients} clients are listed")
                    counted[0] += 1

            thread = threading.Thread(target=work)
            if listed:
                thread.start()
            found = bench(broker, "--publishers", 20, "--subscribers", 20, "--qos", 1,
                          "--rate", 2000, "--duration", options.duration,
                          core=last, first=True)
            over.set()
            if listed:
                thread.join()
                listings.append(counted[0])
            return found

        for pair, (plain, listed) in enumerate(in_turn(options.pairs, run)):
            cells = [f"{it[f'ack_latency_us_{part}']:.0f}" for part in ("p50", "p999", "max")
                     for it in (plain, listed)]
            rows.append((pair + 1, listings[-1], *cells))
        steps = metric(broker, "ask_step_duration_seconds")
    os.sched_setaffinity(0, range(os.cpu_count()))
    table(f"PUBACKs at 2000 a second while {options.clients} clients are listed", rows)
    table("one step of a shard for it, by the clock, time of other processes included",
          [("steps", "mean us", "p50 us", "p99 us", "p99.9 us"), step_row(steps)])


def step_row(steps):
    return (steps["count"], f"{steps['sum'] / max(1, steps['count']) * 1e6:.1f}",
            *(f"{steps[name] * 1e6:.0f}" for name in ("p50", "p99", "p999")))


# What strangers send: nothing, half a request, a header that is too long, a request of a page of
# another origin, one without a token, and no HTTP.
ATTACKS = [
    b"",
    b"GET /metrics HT",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 64 * 1024,
    b"GET /api/v1/clients HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n",
    b"GET /api/v1/clients HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01" + bytes(512),
]


class Siege:
    """Strangers who keep so many connections open at once, and open others in their place."""

    # New connections, and ended ones, between two looks at the others.
    STEP = 100

    def __init__(self, port, most):
        self.port, self.most, self.over = port, most, threading.Event()
        self.connects = self.reached = self.open_max = 0
        self.events, self.ones = select.epoll(), {}
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while not self.over.is_set():
            for _ in range(self.STEP):
                self.open()
            self.open_max = max(self.open_max, len(self.ones))
            for fd, event in self.events.poll(0.005):
                self.on_event(fd, event)
        for fd in list(self.ones):
            self.close(fd)
        self.events.close()

    def open(self):
        if len(self.ones) >= self.most:
            self.close(next(iter(self.ones)))
        one = socket.socket()
        one.setblocking(False)
        # No port waits for a minute when it ends.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.connect_ex(("127.0.0.1", self.port))
        self.ones[one.fileno()] = one
        self.events.register(one.fileno(), select.EPOLLOUT)
        self.connects += 1

    def on_event(self, fd, event):
        if fd not in self.ones:
            return
        if event & (select.EPOLLHUP | select.EPOLLERR):
            self.close(fd)
            return
        self.reached += 1
        self.events.modify(fd, 0)
        with contextlib.suppress(OSError):
            self.ones[fd].send(ATTACKS[self.reached % len(ATTACKS)])

    def close(self, fd):
        self.events.unregister(fd)
        self.ones.pop(fd).close()


def attack(options):
    rows = [("pair", "connects", "open", "p50 us", "attacked", "p99.9 us", "attacked", "max us",
             "attacked", "CPU us/msg", "attacked")]
    last = os.cpu_count() - 1
    with Broker(1, ["--http-listen", "127.0.0.1:0"]) as broker:
        told = (broker.scratch / "log").read_text()
        port = int(re.search(r"operators on http://127\.0\.0\.1:(\d+)", told)[1])
        os.sched_setaffinity(0, {last})
        made = []

        def run(attacked):
            siege = Siege(port, options.clients)
            before = broker.cpu_ns()
            with siege if attacked else contextlib.nullcontext():
                found = bench(broker, "--publishers", 20, "--subscribers", 20, "--qos", 1,
                              "--rate", 2000, "--duration", options.duration,
                              core=last, first=True)
            if attacked:
                made.append((siege.connects, siege.open_max))
            after = broker.cpu_ns()
            found["shard_us"] = (after["shard-0"] - before["shard-0"]) / 1000
            return found

        for pair, (plain, attacked) in enumerate(in_turn(options.pairs, run)):
            cells = [f"{it[f'ack_latency_us_{part}']:.0f}" for part in ("p50", "p999", "max")
                     for it in (plain, attacked)]
            cpus = [f"{it['shard_us'] / max(1, it['published']):.1f}" for it in (plain, attacked)]
            rows.append((pair + 1, *made[-1], *cells, *cpus))
        if json.loads(broker.door().get("/api/v1/overview"))["ready"] is not True:
            raise SystemExit("!! the broker is not ready after the attack")
    os.sched_setaffinity(0, range(os.cpu_count()))
    table("PUBACKs at 2000 a second while strangers attack the operators' address; CPU of the "
          "shard's thread", rows)


def metric(broker, name):
    return json.loads(broker.door().get("/api/v1/overview"))["metrics"][name]


# The requests of a browser for each page, after the page's files.
PAGE_ASKS = ["/whoami", "/openapi.json", "/overview", "/clients", "/sessions", "/closed",
             "/top?by=backlog_bytes&n=50", "/retained", "/subscriptions", "/traces", "/log",
             "/config", "/listeners", "/certificates", "/vhosts", "/match?topic=a", "/trace/files"]


def open_page(door):
    """Loads the page as a browser does, and all that it asks for."""
    paths = re.findall(r'(?:src|href)="(/page/[^"]+)"', door.get("/").decode())
    for path in paths:
        found = re.findall(r'from "\./([^"]+)"', door.get(path).decode())
        paths.extend(new for name in found if (new := f"/page/{name}") not in paths)
    for path in PAGE_ASKS:
        door.get(f"/api/v1{path}")


def memory(options):
    found = {}
    silent = ["--http-listen", "none", "--sys-interval", "0"]
    for name, flags in [("without", silent), ("with", [])]:
        with Broker(2, flags) as broker, broker.crowd(options.clients):
            live = Asker(broker, ["/metrics"], ["/api/v1/live"])
            with live if name == "with" else contextlib.nullcontext():
                if name == "with":
                    door = broker.door()
                    for _ in range(5):
                        open_page(door)
                        for path in ["/metrics/vhosts", "/metrics/sessions"]:
                            door.get(path)
                        list_all(door)
                        time.sleep(REUSE_S)
                found[name] = broker.resident_bytes()
    mib = {name: value / 2**20 for name, value in found.items()}
    rows = [("broker", "MiB"), ("without the admin thread", f"{mib['without']:.2f}"),
            ("with it, all asked, page open", f"{mib['with']:.2f}"),
            ("difference", f"{mib['with'] - mib['without']:.2f}")]
    table(f"memory with {options.clients} clients (RssAnon)", rows)


def bucket(us):
    """The bucket of a time: 8 for each power of two, as the broker has them."""
    us = int(us)
    if us < 8:
        return us
    exponent = us.bit_length() - 1
    return ((exponent - 2) << 3) + ((us >> (exponent - 3)) & 7)


def ack_times(broker, duration):
    """Percentiles of the time to the PUBACK in microseconds, as ringmq-bench and the broker measure
    it: the client from its send to its receive; the broker from the begin of the turn in which the
    message came to the begin of that which sends the PUBACK, or to the end of the same."""
    found = bench(broker, "--publishers", 2, "--subscribers", 0, "--qos", 1, "--window", 1,
                  "--warmup", 0, "--duration", duration)
    own = metric(broker, "publish_ack_duration_seconds")
    return {name: (found[f"ack_latency_us_{name}"], own[name] * 1e6)
            for name in ["p50", "p99", "p999"]}


def percentiles(options):
    rows = [("percentile", "ringmq-bench us", "broker us", "with the way", "buckets apart")]
    # Not pinned: the broker's times end when it sends, and a wake of another core takes longer.
    with Broker(1) as broker:
        # No session gets these, so the broker answers at once: what is left is the way of the
        # message and its PUBACK through the kernel, and two wakes.
        sent, told = ack_times(broker, options.duration)["p50"]
        way = sent - told
    with Broker(1) as broker:
        # The session's client is away, so each message waits for the disk and in no socket's queue.
        bench(broker, "--publishers", 0, "--subscribers", 1, "--filter", "bench/#", "--qos", 1,
              "--clean-session", "false", "--duration", 0.5, "--client-prefix", "away-")
        for name, (sent, told) in ack_times(broker, options.duration).items():
            apart = abs(bucket(sent) - bucket(told + way))
            rows.append((name, f"{sent:.0f}", f"{told:.0f}", f"{told + way:.0f}", apart))
    table(f"time to the PUBACK, as both have it; the way of both packets takes {way:.0f} us", rows)


PARTS = {"cost": cost, "scrape": scrape, "listing": listing, "attack": attack, "memory": memory,
         "percentiles": percentiles}

parser = argparse.ArgumentParser()
parser.add_argument("--binaries", type=pathlib.Path)
parser.add_argument("--only")
for flag in ["pairs", "clients", "shards", "scrapes"]:
    parser.add_argument(f"--{flag}", type=int)
parser.add_argument("--duration", type=float)
parser.add_argument("--ask", action="append", default=[])
parser.add_argument("--stream", action="append", default=[])
parser.add_argument("--trace")
given = parser.parse_args()
if not given.ask and not given.stream:
    given.ask, given.stream = ["/metrics"], ["/api/v1/live"]
    given.trace = given.trace or "cost-p0"
BINARIES = given.binaries
print(f"{os.uname().sysname} {os.uname().release}, {os.cpu_count()} cores")
for part, measure in PARTS.items():
    if given.only in ("", part):
        measure(given)
