"""paho-mqtt against a broker: arguments are host, port and 3.1 or 3.1.1; exit code 0 if all is well."""

import queue
import sys

import paho.mqtt.client as mqtt

HOST, PORT = sys.argv[1], int(sys.argv[2])
PROTOCOL = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311}[sys.argv[3]]
PATIENCE_S = 20


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
            reconnect_on_failure=False,
        )
        self.paho.on_connect = lambda _c, _u, flags, reason, _p: self.connects.put((flags, reason))
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.disconnects.put(reason)
        self.paho.on_subscribe = lambda _c, _u, _mid, codes, _p: self.subscribed.put(codes)
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        if will:
            self.paho.will_set(*will)
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
        assert info.is_published(), f"no PUBACK for {topic}"

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
    for qos in (0, 1):
        subscriber.subscribe(f"paho/{qos}/+", qos)
        for published in (0, 1):
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


def retained():
    publisher = Client("paho-pub")
    publisher.publish("paho/state", "on", 1, retain=True)
    publisher.publish("paho/zz-marker", "marker", 1, retain=True)
    reader = Client("paho-reader")
    reader.subscribe("paho/state", 1)
    reader.expect("paho/state", b"on", 1, retain=True)
    publisher.publish("paho/state", "off", 0, retain=True)
    reader.expect("paho/state", b"off", 0)
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
    witness.subscribe("paho/will", 1)
    Client("paho-polite", will=("paho/will", "not sent", 1, False)).leave()
    Client("paho-dying", will=("paho/will", "gone", 1, False)).die()
    witness.expect("paho/will", b"gone", 1)
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


for step in (round_trip, offline_messages, retained, will, takeover):
    print(step.__name__, flush=True)
    step()
