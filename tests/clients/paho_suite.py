"""paho-mqtt against a broker: arguments are host, port and 3.1 or 3.1.1; exit code 0 if all is well.

Two arguments more are a file of authorities and TLSv1_2 or TLSv1_3: then it speaks that. With
TRANSPORT=websockets in the environment it speaks WebSocket.
"""

import os
import queue
import socket
import ssl
import sys

import paho.mqtt.client as mqtt

HOST, PORT = sys.argv[1], int(sys.argv[2])
PROTOCOL = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311}[sys.argv[3]]
TRANSPORT = os.environ.get("TRANSPORT", "tcp")
PATIENCE_S = 90
TLS = None
if len(sys.argv) > 4:
    TLS = ssl.create_default_context(cafile=sys.argv[4])
    TLS.minimum_version = TLS.maximum_version = ssl.TLSVersion[sys.argv[5]]


class Client:
    """A connected client whose events are queues."""

    def __init__(self, client_id, clean=True, will=None):
        self.messages = queue.Queue()
        self.connects = queue.Queue()
        self.disconnects = queue.Queue()
        self.subscribed = queue.Queue()
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean,
            protocol=PROTOCOL,
            transport=TRANSPORT,
            reconnect_on_failure=False,
        )
        self.paho.on_connect = lambda _c, _u, flags, reason, _p: self.connects.put((flags, reason))
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.disconnects.put(reason)
        self.paho.on_subscribe = lambda _c, _u, _mid, codes, _p: self.subscribed.put(codes)
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        if will:
            self.paho.will_set(*will)
        if TLS:
            self.paho.tls_set_context(TLS)
        self.paho.connect(HOST, PORT)
        self.paho.loop_start()
        flags, reason = self.connects.get(timeout=PATIENCE_S)
        assert reason == 0, reason
        self.session_present = flags.session_present

    def subscribe(self, topic, qos):
        self.paho.subscribe(topic, qos)
        codes = self.subscribed.get(timeout=PATIENCE_S)
        assert [code.value for code in codes] == [qos], codes

    def publish(self, topic, payload, qos=1, retain=False):
        info = self.paho.publish(topic, payload, qos, retain)
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published(), f"{topic} at QoS {qos} is not acknowledged"

    def expect(self, topic, payload, qos, retain=False):
        message = self.messages.get(timeout=PATIENCE_S)
        came = (message.topic, message.payload, message.qos, bool(message.retain))
        due = (topic, payload, qos, retain)
        assert came == due, f"due {due}, came {came}"

    def leave(self):
        self.paho.disconnect()
        self.disconnects.get(timeout=PATIENCE_S)
        self.paho.loop_stop()

    def die(self):
        """Ends the network connection without a DISCONNECT."""
        self.paho.loop_stop()
        self.paho.socket().close()


def round_trip():
    subscriber, publisher = Client("paho-sub"), Client("paho-pub")
    payload = bytes(range(256)) * 40
    for qos in (0, 1, 2):
        subscriber.subscribe(f"paho/{qos}/+", qos)
        for published in (0, 1, 2):
            publisher.publish(f"paho/{qos}/a", payload, published)
            subscriber.expect(f"paho/{qos}/a", payload, min(qos, published))
    subscriber.leave()
    publisher.leave()


def offline_messages():
    subscriber, publisher = Client("paho-kept", clean=False), Client("paho-pub")
    assert not subscriber.session_present
    subscriber.subscribe("paho/kept", 1)
    subscriber.leave()
    for number in range(20):
        publisher.publish("paho/kept", f"{number}")
    subscriber = Client("paho-kept", clean=False)
    # 3.1 has no such flag, and paho does not look at its byte there.
    assert subscriber.session_present or PROTOCOL == mqtt.MQTTv31
    for number in range(20):
        subscriber.expect("paho/kept", b"%d" % number, 1)
    subscriber.leave()
    # Connecting clean ends the session.
    Client("paho-kept", clean=True).leave()
    subscriber = Client("paho-kept", clean=False)
    assert not subscriber.session_present
    subscriber.leave()
    Client("paho-kept", clean=True).leave()
    publisher.leave()


def mixed_qos():
    """Messages of QoS 1 and 2 beside each other, while the subscriber is there and is not."""
    subscriber, publisher = Client("paho-mixed", clean=False), Client("paho-pub")
    subscriber.subscribe("paho/mixed", 2)
    for is_present in (True, False, True):
        if not is_present:
            subscriber.leave()
        infos = [publisher.paho.publish("paho/mixed", f"{n}", 1 + n % 2) for n in range(60)]
        for info in infos:
            info.wait_for_publish(PATIENCE_S)
            assert info.is_published(), info
        if not is_present:
            subscriber = Client("paho-mixed", clean=False)
        # paho hands over QoS 2 at PUBREL, so the order holds for each QoS.
        came = [subscriber.messages.get(timeout=PATIENCE_S) for _ in range(60)]
        for qos in (1, 2):
            payloads = [int(message.payload) for message in came if message.qos == qos]
            assert payloads == list(range(qos - 1, 60, 2)), payloads
    subscriber.leave()
    Client("paho-mixed", clean=True).leave()
    publisher.leave()


def resumed_qos_2():
    """A publisher and a subscriber that die in the middle of it lose and double nothing."""
    subscriber, publisher = Client("paho-open", clean=False), Client("paho-open-pub", clean=False)
    subscriber.subscribe("paho/open", 2)
    infos = []
    for number in range(60):
        infos.append(publisher.paho.publish("paho/open", f"{number}", 2))
        if number % 20 == 10:
            for client in (publisher, subscriber):
                # Shuts the TCP socket below TLS, whose wrapper shuts only its own object, and below
                # WebSocket.
                own = socket.fromfd(client.paho.socket().fileno(), socket.AF_INET,
                                    socket.SOCK_STREAM)
                own.shutdown(socket.SHUT_RDWR)
                own.close()
                client.disconnects.get(timeout=PATIENCE_S)
                client.paho.loop_stop()
                client.paho.reconnect()
                client.paho.loop_start()
                client.connects.get(timeout=PATIENCE_S)
    for info in infos:
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published(), info
    for number in range(60):
        subscriber.expect("paho/open", b"%d" % number, 2)
    for client, client_id in ((subscriber, "paho-open"), (publisher, "paho-open-pub")):
        client.leave()
        assert client.messages.empty()
        Client(client_id, clean=True).leave()


def retained():
    publisher = Client("paho-pub")
    publisher.publish("paho/state", "on", 1, retain=True)
    publisher.publish("paho/zz-marker", "marker", 1, retain=True)
    reader = Client("paho-reader")
    reader.subscribe("paho/state", 1)
    reader.expect("paho/state", b"on", 1, retain=True)
    publisher.publish("paho/state", "off", 0, retain=True)
    reader.expect("paho/state", b"off", 0)
    publisher.publish("paho/state", "twice", 2, retain=True)
    reader.expect("paho/state", b"twice", 1)
    reader.subscribe("paho/state", 2)
    reader.expect("paho/state", b"twice", 2, retain=True)
    publisher.publish("paho/state", b"", 1, retain=True)
    reader.expect("paho/state", b"", 1)
    reader.leave()
    late = Client("paho-late")
    late.subscribe("paho/state", 1)
    late.subscribe("paho/zz-marker", 1)
    late.expect("paho/zz-marker", b"marker", 1, retain=True)
    late.leave()
    publisher.publish("paho/zz-marker", b"", 1, retain=True)
    publisher.leave()


def will():
    witness = Client("paho-witness")
    witness.subscribe("paho/will", 2)
    Client("paho-polite", will=("paho/will", "not sent", 1, False)).leave()
    for qos in (1, 2):
        Client("paho-dying", will=("paho/will", "gone", qos, False)).die()
        witness.expect("paho/will", b"gone", qos)
    witness.leave()


def takeover():
    first = Client("paho-twin", clean=False)
    first.subscribe("paho/twin", 1)
    second = Client("paho-twin", clean=False)
    first.disconnects.get(timeout=PATIENCE_S)
    publisher = Client("paho-pub")
    publisher.publish("paho/twin", "to the second")
    second.expect("paho/twin", b"to the second", 1)
    assert first.messages.empty()
    second.leave()
    publisher.leave()
    Client("paho-twin", clean=True).leave()


for step in (round_trip, offline_messages, mixed_qos, resumed_qos_2, retained, will, takeover):
    print(step.__name__, flush=True)
    step()
