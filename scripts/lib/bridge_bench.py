"""What a bridge moves and costs: see scripts/bridge-bench, which calls this with checked options."""

import argparse
import contextlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

PATIENCE_S = 60
BRIDGE_CORE, BROKER_CORE = 0, 1
WINDOW = 10_000


def on_core(core, command):
    return ["taskset", "-c", str(core), *map(str, command)]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, found):
    """Returns the first true value of a function."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"!! waited {PATIENCE_S} s for {what}")
        time.sleep(0.02)
    return value


class Process:
    """A child whose output goes to a file, with CPU time of it and of its children."""

    def __init__(self, core, command, log, **more):
        self.log = log
        with log.open("ab") as out:
            more = {"stdin": subprocess.DEVNULL, "stdout": out, **more}
            self.child = subprocess.Popen(on_core(core, command), stderr=out, **more)
        self.pid = self.child.pid

    def wait_for_line(self, pattern):
        def found():
            if self.child.poll() is not None:
                raise SystemExit(f"!! {self.child.args}:\n{self.log.read_text()[-2000:]}")
            return re.search(pattern, self.log.read_text())

        return wait_for(f"{pattern!r} in {self.log}", found)

    def all_pids(self):
        pids, at = [self.pid], 0
        while at < len(pids):
            with contextlib.suppress(FileNotFoundError):
                for task in os.listdir(f"/proc/{pids[at]}/task"):
                    children = pathlib.Path(f"/proc/{pids[at]}/task/{task}/children")
                    pids += map(int, children.read_text().split())
            at += 1
        return pids

    def cpu_s(self):
        found = 0
        for pid in self.all_pids():
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found += int((task / "schedstat").read_text().split()[0])
        return found / 1e9

    def threads_s(self):
        found = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").glob("*"):
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0]) / 1e9
            found[name] = found.get(name, 0) + spent
        return found

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def stop(self, number=signal.SIGTERM):
        self.child.send_signal(number)
        self.child.wait(timeout=PATIENCE_S)


# MQTT 3.1.1, as far as it is needed to publish.

def encoded_length(length):
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (128 if length else 0))
        if not length:
            return bytes(out)


def packet(head, body):
    return bytes([head]) + encoded_length(len(body)) + body


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


class Publisher:
    """Publishes at QoS 1, many in flight."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(PATIENCE_S)
        body = text("MQTT") + bytes([4, 2]) + struct.pack(">H", 0) + text("filler")
        self.socket.sendall(packet(0x10, body))
        self.read(4)

    def read(self, count):
        while count > 0:
            got = len(self.socket.recv(min(count, 1 << 20)))
            if got == 0:
                raise SystemExit("!! the broker has closed the connection")
            count -= got

    def publish(self, messages, count):
        """Publishes `count` messages, those of a list again and again."""
        packets = [packet(0x32, text(topic) + struct.pack(">H", at + 1) + payload)
                   for at, (topic, payload) in enumerate(messages)]
        whole = b"".join(packets)
        while count > 0:
            part = min(count, len(packets))
            self.socket.sendall(whole if part == len(packets) else b"".join(packets[:part]))
            self.read(4 * part)
            count -= part


def plain(size):
    return [(f"plant/line{at % 50}/sensor{at % 1000}", os.urandom(size // 2).hex().encode())
            for at in range(WINDOW)]


def json_messages(_size):
    return [(f"plant/line{at % 50}/sensor{at % 1000}",
             b'{"v":%.3f,"n":%d,"state":"%s","unit":"celsius","seq":%d}' %
             (at / 7, at * 31, [b"run", b"idle", b"fault"][at % 3], at))
            for at in range(WINDOW)]


# Targets: each is a context that gives a process, the sink's keys and lines for the bridge's file.

@contextlib.contextmanager
def kafka(scratch, core, keys=""):
    log = scratch / "target.log"
    target = Process(core, [BINARIES / "examples/mock_kafka"], log, stdin=subprocess.PIPE)
    try:
        servers = target.wait_for_line(r"(127\.0\.0\.1:\d+|localhost:\d+)")[1]
        yield target, f'[sink.kafka]\nservers = ["{servers}"]\ntopic = "t"\n{keys}'
    finally:
        target.child.stdin.close()
        target.child.wait(timeout=PATIENCE_S)


class Nats:
    """Enough of a client of NATS to make a stream."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB answer 1\r\n')

    def ask(self, subject, body):
        self.socket.sendall(b"PUB %s answer %d\r\n%s\r\n" % (subject, len(body), body))
        while not (line := self.lines.readline()).startswith(b"MSG"):
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")
        return self.lines.read(int(line.split()[-1]) + 2)


@contextlib.contextmanager
def nats(scratch, core, keys):
    port = free_port()
    command = ["nats-server", "-a", "127.0.0.1", "-js", "-p", port, "-sd", scratch / "stream"]
    target = Process(core, command, scratch / "target.log")
    try:
        target.wait_for_line("Server is ready")
        answer = Nats(port).ask(
            b"$JS.API.STREAM.CREATE.mq",
            b'{"name":"mq","subjects":["mq.>"],"storage":"file","num_replicas":1}')
        if b'"error"' in answer:
            raise SystemExit(f"!! nats-server: {answer!r}")
        yield target, f'[sink.nats]\nservers = ["nats://127.0.0.1:{port}"]\n{keys}'
    finally:
        target.stop()


def postgres_program(name):
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        raise SystemExit("!! postgresql is not installed")
    # PostgreSQL refuses to run as root.
    unprivileged = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return (unprivileged if os.geteuid() == 0 else []) + [str(found[-1])]


@contextlib.contextmanager
def postgres(scratch, core, table, columns):
    home = scratch / "postgres"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    log = scratch / "target.log"
    with log.open("ab") as out:
        initdb = [*postgres_program("initdb"), "-A", "trust", "-U", "postgres", "-D", home / "data"]
        subprocess.run(initdb, stdout=out, stderr=out, check=True)
    # As installed, but for the socket, and checkpoints that do not fall into a run of seconds.
    command = [*postgres_program("postgres"), "-D", home / "data", "-k", home,
               "-c", "listen_addresses=", "-c", "max_wal_size=8GB"]
    target = Process(core, command, log)
    try:
        target.wait_for_line("ready to accept connections")
        psql = [*postgres_program("psql"), "-q", "-U", "postgres", "-h", home, "-c"]
        subprocess.run([*psql, f"CREATE TABLE t ({table})"], check=True)
        yield target, (f'[sink.postgres]\nurl = "host={home} user=postgres dbname=postgres"\n'
                       f'table = "t"\ncolumns = {{ {columns} }}')
    finally:
        target.stop(signal.SIGINT)


POSITIONS = 'headers = { position = "{position}" }'
JSON_COLUMNS = ('at = "{time}", topic = "{topic}", v = "json:$.v:float8", n = "json:$.n:int8", '
                'state = "json:$.state:text"')

# Name: target, further keys of the sink, payloads, the part of the messages.
CASES = {
    "kafka": (kafka, (), "", plain, 1),
    "kafka-positions": (kafka, (POSITIONS,), "", plain, 1),
    "kafka-transactional": (kafka, ('once = "transactional"',), "", plain, 1),
    "nats-batch": (nats, ('format = "batch"\nsubject = "mq.batch"',), "", plain, 1),
    "nats-message": (nats, ("",), "", plain, 0.1),
    "postgres-raw": (postgres, ("at timestamptz, topic text, payload bytea",
                                'at = "{time}", topic = "{topic}", payload = "{payload}"'),
                     "", plain, 1),
    "postgres-json": (postgres, ("at timestamptz, topic text, v float8, n int8, state text",
                                 JSON_COLUMNS), "", json_messages, 1),
}


class Bench:
    """A broker with a session of a bridge."""

    def __init__(self, scratch, sink, keys):
        self.scratch, self.socket = scratch, scratch / "mqtt.sock"
        command = [BINARIES / "ringmq", "--listen", f"unix:{self.socket}", "--http-listen", "none",
                   "--sys-interval", 0, "--shards", 1, "--data-dir", scratch / "data",
                   "--session-max-bytes", "16GiB"]
        self.broker = Process(BROKER_CORE, command, scratch / "broker.log")
        self.broker.wait_for_line("listening on ")
        self.config, self.port = scratch / "bridge.toml", free_port()
        self.config.write_text(
            f'state_dir = "{scratch}"\n[broker]\nurl = "unix:{self.socket}"\n'
            f'[http]\nlisten = "127.0.0.1:{self.port}"\n'
            f'[[sink]]\nname = "bench"\nfilters = ["plant/#"]\n{keys}\n{sink}\n')
        # The session is there from the first start on.
        bridge = self.start_bridge()
        bridge.wait_for_line("subscribed")
        bridge.stop()

    def start_bridge(self):
        command = [BINARIES / "ringmq-bridge", "run", self.config]
        return Process(BRIDGE_CORE, command, self.scratch / "bridge.log")

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    def metric(self, name):
        found = re.search(rf"ringmq_bridge_{name}\{{[^}}]*\}} (\S+)", self.metrics())
        return float(found[1]) if found else 0.0


def run(name, options, profile=None):
    """One run of a case: its figures."""
    target_of, arguments, keys, messages, part = CASES[name]
    count = int(options.messages * part)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="ringmq-bridge-bench-"))
    scratch.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        target, sink = stack.enter_context(target_of(scratch, options.target_core, *arguments))
        bench = Bench(scratch, sink, keys)
        stack.callback(bench.broker.stop)
        Publisher(bench.socket).publish(messages(options.payload), count)
        bridge = bench.start_bridge()
        stack.callback(bridge.stop)
        perf = None
        if profile:
            perf = subprocess.Popen(["perf", "record", "-q", "-g", "-F", "999", "-o", profile, "-p",
                                     str(bridge.pid)])
        processes = (bridge, bench.broker, target)

        def passed(least):
            def found():
                if bridge.child.poll() is not None or bench.metric("stopped"):
                    raise SystemExit(f"!! bridge:\n{bridge.log.read_text()[-2000:]}")
                done = bench.metric("delivered_total")
                return done >= least and (time.monotonic(), done, *(p.cpu_s() for p in processes),
                                          bridge.threads_s())

            return wait_for(f"{least:.0f} messages", found)

        first, last = passed(count / 10), passed(count * 0.9)
        passed(count)
        if perf:
            perf.send_signal(signal.SIGINT)
            perf.wait()
        seconds, moved = last[0] - first[0], last[1] - first[1]
        spent = [after - before for before, after in zip(first[2:5], last[2:5])]
        threads = {thread: (last[5][thread] - first[5].get(thread, 0)) / moved * 1e6
                   for thread in last[5]}
        return {"rate": moved / seconds, "cpu": [it / moved * 1e6 for it in spent],
                "cores": [it / seconds for it in spent], "peak": bridge.peak_mib(),
                "threads": {name: it for name, it in threads.items() if it >= 0.005}}


def throughput(names, options):
    rows = [("case", "k msg/s", "bridge µs", "broker µs", "target µs", "of their cores", "MiB")]
    for name in names:
        runs = []
        for number in range(options.runs):
            is_last = number + 1 == options.runs
            runs.append(run(name, options, options.profile if is_last else None))
            threads = ", ".join(f"{thread} {it:.2f}" for thread, it in
                                sorted(runs[-1]["threads"].items(), key=lambda it: -it[1]))
            print(f"== {name}: {runs[-1]['rate'] / 1e3:.0f} k/s; bridge, µs: {threads}", flush=True)
        of = statistics.median_low([it["rate"] for it in runs])
        middle = next(it for it in runs if it["rate"] == of)
        rates = [it["rate"] / 1e3 for it in runs]
        rows.append((name, f"{of / 1e3:.0f} ({min(rates):.0f} to {max(rates):.0f})",
                     *(f"{it:.2f}" for it in middle["cpu"]),
                     ", ".join(f"{it:.2f}" for it in middle["cores"]),
                     f"{max(it['peak'] for it in runs):.0f}"))
    print_table(rows)


def print_table(rows):
    widths = [max(len(str(row[at])) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell).ljust(width) if at == 0 else str(cell).rjust(width)
                 for at, (cell, width) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells))


def lag(options):
    """The lag that is shown while the target stands still, against the true one."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="ringmq-bridge-bench-"))
    scratch.chmod(0o755)
    target_of, arguments, keys, messages, _ = CASES["kafka"]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        target, sink = stack.enter_context(target_of(scratch, options.target_core, *arguments))
        bench = Bench(scratch, sink, keys)
        stack.callback(bench.broker.stop)
        publisher, payloads = Publisher(bench.socket), messages(options.payload)
        # The oldest message waits in the broker for some seconds before the bridge is there.
        target.child.send_signal(signal.SIGSTOP)
        stack.callback(target.child.send_signal, signal.SIGCONT)
        begun = time.time()
        publisher.publish(payloads, 200_000)
        time.sleep(3)
        bridge = bench.start_bridge()
        stack.callback(bridge.stop)
        wait_for("the bridge to read", lambda: bench.metric("in_flight"))
        differences = []
        for _ in range(50):
            publisher.publish(payloads, 100)
            time.sleep(0.1)
            differences.append(bench.metric("lag_seconds") - (time.time() - begun))
        target.child.send_signal(signal.SIGCONT)
        wait_for("all messages", lambda: bench.metric("delivered_total") >= 205_000)
        time.sleep(0.2)
        print(f"lag: shown minus true {min(differences):+.2f} to {max(differences):+.2f} s while the "
              f"target stood still; {bench.metric('lag_seconds'):.2f} s with nothing left")


def main():
    global BINARIES
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--payload", type=int, required=True)
    parser.add_argument("--target-core", type=int, required=True)
    parser.add_argument("--profile")
    options = parser.parse_args()
    BINARIES = options.binaries.resolve()
    os.environ["PATH"] += ":/usr/sbin"
    # The generator does not use the bridge's core.
    os.sched_setaffinity(0, {BROKER_CORE})
    wanted = options.only or [*CASES, "lag"]
    if names := [name for name in CASES if name in wanted]:
        throughput(names, options)
    if "lag" in wanted:
        lag(options)


main()
