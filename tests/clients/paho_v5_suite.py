"""paho-mqtt's MQTT 5 against a broker: arguments are host and port; exit code 0 if all is well."""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST, PORT = sys.argv[1], int(sys.argv[2])
PATIENCE_S = 90
SESSION_TAKEN_OVER = 0x8E
NO_MATCHING_SUBSCRIBERS = 0x10
KEPT_S = 3600


def properties(packet, **values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def publish_properties(**values):
    return properties(PacketTypes.PUBLISH, **values)


class Client:
    """A connected client whose events are queues."""

    def __init__(self, client_id, clean=True, will=None, manual_ack=False, **connect):
        self.messages = queue.Queue()
        self.connects = queue.Queue()
        self.disconnects = queue.Queue()
        self.subscribed = queue.Queue()
        self.published = queue.Queue()
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        self.paho.on_connect = lambda _c, _u, flags, reason, granted: self.connects.put(
            (flags, reason, granted)
        )
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.disconnects.put(reason)
        self.paho.on_subscribe = lambda _c, _u, _mid, codes, _p: self.subscribed.put(codes)
        self.paho.on_publish = lambda _c, _u, mid, reason, _p: self.published.put((mid, reason))
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        if will:
            self.paho.will_set(**will)
        wishes = properties(PacketTypes.CONNECT, **connect)
        self.paho.connect(HOST, PORT, clean_start=clean, properties=wishes)
        self.paho.loop_start()
        flags, reason, self.granted = self.connects.get(timeout=PATIENCE_S)
        assert reason == 0, reason
        self.session_present = flags.session_present

    def subscribe(self, topic, qos, identifier=None, **options):
        wishes = properties(PacketTypes.SUBSCRIBE)
        if identifier:
            wishes.SubscriptionIdentifier = identifier
        self.paho.subscribe(topic, options=SubscribeOptions(qos=qos, **options), properties=wishes)
        codes = self.subscribed.get(timeout=PATIENCE_S)
        assert [code.value for code in codes] == [qos], codes

    def publish(self, topic, payload, qos=1, retain=False, **values):
        """Publishes, waits for the acknowledgement, and returns its reason code."""
        sent = self.paho.publish(topic, payload, qos, retain, publish_properties(**values))
        sent.wait_for_publish(PATIENCE_S)
        mid, reason = self.published.get(timeout=PATIENCE_S)
        assert mid == sent.mid
        return reason.value

    def expect(self, topic, payload, qos=1, retain=False):
        message = self.messages.get(timeout=PATIENCE_S)
        came = (message.topic, message.payload, message.qos, bool(message.retain))
        due = (topic, payload, qos, retain)
        assert came == due, f"due {due}, came {came}"
        return message.properties

    def fence(self):
        """What was sent to this client before has come when this returns."""
        self.subscribe("paho5/fence/nothing", 0)

    def leave(self, **values):
        self.paho.disconnect(properties=properties(PacketTypes.DISCONNECT, **values))
        self.disconnects.get(timeout=PATIENCE_S)
        self.paho.loop_stop()

    def die(self):
        """Ends the network connection without a DISCONNECT."""
        self.paho.loop_stop()
        self.paho.socket().close()


def message_properties():
    """What a publisher says about a message reaches the subscriber, live and from the queue."""
    publisher = Client("paho5-pub")
    said = dict(
        UserProperty=[("b", "1"), ("a", "2"), ("b", "1"), ("", "ü")],
        ContentType="text/plain",
        ResponseTopic="paho5/answers",
        CorrelationData=bytes(range(256)),
        PayloadFormatIndicator=1,
        MessageExpiryInterval=600,
    )
    for qos in (0, 1, 2):
        subscriber = Client("paho5-props", SessionExpiryInterval=KEPT_S)
        subscriber.subscribe("paho5/props", qos)
        publisher.publish("paho5/props", "live", qos, **said)
        came = [subscriber.expect("paho5/props", b"live", qos)]
        if qos > 0:
            subscriber.leave()
            publisher.publish("paho5/props", "kept", qos, **said)
            subscriber = Client("paho5-props", clean=False, SessionExpiryInterval=KEPT_S)
            assert subscriber.session_present
            came.append(subscriber.expect("paho5/props", b"kept", qos))
        for got in came:
            assert got.UserProperty == said["UserProperty"], got.UserProperty
            assert got.ContentType == "text/plain"
            assert got.ResponseTopic == "paho5/answers"
            assert got.CorrelationData == said["CorrelationData"]
            assert got.PayloadFormatIndicator == 1
            assert 500 < got.MessageExpiryInterval <= 600, got.MessageExpiryInterval
        subscriber.leave(SessionExpiryInterval=0)
    publisher.leave()


def session_expiry():
    """A session lasts as long as CONNECT says, or DISCONNECT after it."""
    for connected, left, is_kept in (
        ({}, {}, False),
        ({"SessionExpiryInterval": 0}, {}, False),
        ({"SessionExpiryInterval": KEPT_S}, {}, True),
        ({"SessionExpiryInterval": 0xFFFFFFFF}, {}, True),
        ({"SessionExpiryInterval": KEPT_S}, {"SessionExpiryInterval": 0}, False),
        ({"SessionExpiryInterval": KEPT_S}, {"SessionExpiryInterval": 60}, True),
    ):
        Client("paho5-session", **connected).leave(**left)
        again = Client("paho5-session", clean=False)
        assert again.session_present == is_kept, (connected, left)
        again.leave()


def topic_alias():
    """Messages whose topic is an alias come with the topic; an alias can be set anew."""
    subscriber, publisher = Client("paho5-sub"), Client("paho5-pub")
    assert publisher.granted.TopicAliasMaximum >= 2
    subscriber.subscribe("paho5/alias/+", 1)
    for alias, topic in ((1, "paho5/alias/one"), (2, "paho5/alias/two"), (1, "paho5/alias/new")):
        publisher.publish(topic, "named", TopicAlias=alias)
        publisher.publish("", "aliased", TopicAlias=alias)
        for payload in (b"named", b"aliased"):
            subscriber.expect(topic, payload)
    subscriber.leave()
    # Towards a client that takes aliases: paho undoes them.
    subscriber = Client("paho5-sub", TopicAliasMaximum=1)
    subscriber.subscribe("paho5/alias/+", 1)
    for round_number in range(3):
        for topic in ("paho5/alias/one", "paho5/alias/two"):
            publisher.publish(topic, f"{round_number}")
    for round_number in range(3):
        for topic in ("paho5/alias/one", "paho5/alias/two"):
            message = subscriber.messages.get(timeout=PATIENCE_S)
            alias = getattr(message.properties, "TopicAlias", None)
            assert message.topic == topic or (message.topic == "" and alias == 1), message.topic
            assert message.payload == b"%d" % round_number
    subscriber.leave()
    publisher.leave()


def receive_maximum():
    """No more than Receive Maximum messages are in flight towards a client."""
    subscriber = Client("paho5-window", manual_ack=True, ReceiveMaximum=2)
    subscriber.subscribe("paho5/window", 1)
    publisher = Client("paho5-pub")
    for number in range(5):
        publisher.publish("paho5/window", f"{number}")
    in_flight = []
    for number in range(5):
        subscriber.fence()
        while not subscriber.messages.empty():
            in_flight.append(subscriber.messages.get())
        assert len(in_flight) <= 2, len(in_flight)
        if not in_flight:
            in_flight.append(subscriber.messages.get(timeout=PATIENCE_S))
        message = in_flight.pop(0)
        assert message.payload == b"%d" % number
        subscriber.paho.ack(message.mid, message.qos)
    subscriber.leave()
    publisher.leave()


def maximum_packet_size():
    """What is larger than a client takes is not sent to it, and nothing else is missing."""
    subscriber = Client("paho5-small", MaximumPacketSize=200)
    subscriber.subscribe("paho5/size", 1)
    publisher = Client("paho5-pub")
    publisher.publish("paho5/size", b"x" * 300)
    publisher.publish("paho5/size", b"small")
    subscriber.expect("paho5/size", b"small")
    subscriber.leave()
    publisher.leave()


def subscription_identifiers():
    """A message comes once, with the identifier of each subscription that matches; and retained
    ones with that of the subscription they are replayed for."""
    subscriber, publisher = Client("paho5-ids"), Client("paho5-pub")
    # These do not ask for what is retained: their search could still find what is published next.
    subscriber.subscribe("paho5/ids/#", 0, identifier=1, retainHandling=2)
    subscriber.subscribe("paho5/ids/+", 1, identifier=268_435_455, retainHandling=2)
    subscriber.subscribe("paho5/ids/a", 1, retainHandling=2)
    publisher.publish("paho5/ids/a", "both", retain=True)
    got = subscriber.expect("paho5/ids/a", b"both")
    assert sorted(got.SubscriptionIdentifier) == [1, 268_435_455], got.SubscriptionIdentifier
    subscriber.subscribe("paho5/ids/+", 1, identifier=7)
    got = subscriber.expect("paho5/ids/a", b"both", retain=True)
    assert got.SubscriptionIdentifier == [7], got.SubscriptionIdentifier
    publisher.publish("paho5/ids/a", b"", retain=True)
    subscriber.leave()
    publisher.leave()


def retain_handling():
    """Retained messages come at each subscribe, at the first, or never; with their flag or not."""
    publisher = Client("paho5-pub")
    publisher.publish("paho5/state", "on", retain=True)
    for handling, first, again in ((0, True, True), (1, True, False), (2, False, False)):
        reader = Client("paho5-reader")
        for comes in (first, again):
            reader.subscribe("paho5/state", 1, retainHandling=handling)
            if comes:
                reader.expect("paho5/state", b"on", retain=True)
            # What a replay brings comes before what is published later.
            publisher.publish("paho5/state", "on", retain=True)
            reader.expect("paho5/state", b"on", retain=False)
        reader.leave()
    reader = Client("paho5-reader")
    reader.subscribe("paho5/state", 1, retainHandling=2, retainAsPublished=True)
    publisher.publish("paho5/state", "off", retain=True)
    reader.expect("paho5/state", b"off", retain=True)
    publisher.publish("paho5/state", "passing")
    reader.expect("paho5/state", b"passing", retain=False)
    publisher.publish("paho5/state", b"", retain=True)
    reader.leave()
    publisher.leave()


def no_local():
    """With No Local a client does not get its own messages; it gets those of others."""
    client, other = Client("paho5-local"), Client("paho5-other")
    client.subscribe("paho5/local", 1, noLocal=True)
    other.subscribe("paho5/local", 1)
    client.publish("paho5/local", "own")
    other.expect("paho5/local", b"own")
    other.publish("paho5/local", "of the other")
    client.expect("paho5/local", b"of the other")
    client.leave()
    other.leave()


def request_response():
    requester, responder = Client("paho5-req"), Client("paho5-resp")
    responder.subscribe("paho5/requests", 1)
    requester.subscribe("paho5/answers/7", 1)
    requester.publish(
        "paho5/requests", "2+3", ResponseTopic="paho5/answers/7", CorrelationData=b"\x00c\xff"
    )
    asked = responder.expect("paho5/requests", b"2+3")
    responder.publish(asked.ResponseTopic, "5", CorrelationData=asked.CorrelationData)
    assert requester.expect("paho5/answers/7", b"5").CorrelationData == b"\x00c\xff"
    requester.leave()
    responder.leave()


def will_delay():
    """A will waits for its delay; a client that comes back in time leaves none."""
    witness = Client("paho5-witness")
    witness.subscribe("paho5/will", 1)

    def dying(delay_s, payload, clean=True):
        said = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=delay_s, ContentType="gone")
        said.UserProperty = ("why", "died")
        will = dict(topic="paho5/will", payload=payload, qos=1, properties=said)
        return Client("paho5-dying", clean=clean, will=will, SessionExpiryInterval=KEPT_S)

    dying(KEPT_S, "not sent").die()
    # Back in time: no will, and the new connection has one of its own.
    again = dying(1, "after a second", clean=False)
    assert again.session_present
    again.die()
    got = witness.expect("paho5/will", b"after a second")
    assert (got.ContentType, got.UserProperty) == ("gone", [("why", "died")])
    # The session's end does not wait for the delay.
    dying(KEPT_S, "at the end of the session").die()
    Client("paho5-dying", clean=True).leave()
    witness.expect("paho5/will", b"at the end of the session")
    witness.leave()


def reasons():
    """Reason codes that a client acts on."""
    publisher = Client("paho5-pub")
    assert publisher.publish("paho5/nobody", "x") == NO_MATCHING_SUBSCRIBERS
    first = Client("paho5-twin", SessionExpiryInterval=KEPT_S)
    second = Client("paho5-twin", clean=False)
    assert second.session_present
    reason = first.disconnects.get(timeout=PATIENCE_S)
    assert reason.value == SESSION_TAKEN_OVER, reason
    second.leave()
    publisher.leave()
    nameless = Client("")
    assert nameless.granted.AssignedClientIdentifier
    nameless.leave()


for step in (
    message_properties,
    session_expiry,
    topic_alias,
    receive_maximum,
    maximum_packet_size,
    subscription_identifiers,
    retain_handling,
    no_local,
    request_response,
    will_delay,
    reasons,
):
    print(step.__name__, flush=True)
    step()
