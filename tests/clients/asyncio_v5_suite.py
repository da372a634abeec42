"""gmqtt and aiomqtt, the clients of asyncio, against a broker with MQTT 5: arguments are host, port
and the client's name; exit code 0 if all is well."""

import asyncio
import sys

HOST, PORT, NAME = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PATIENCE_S = 90
KEPT_S = 3600


async def within(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_S)


def gmqtt_steps():
    import gmqtt

    class Client:
        """A connected client whose events are queues."""

        @classmethod
        async def connect(cls, client_id, clean=True, will=None, **properties):
            client = cls()
            client.messages, client.subscribed = asyncio.Queue(), asyncio.Queue()
            client.gmqtt = gmqtt.Client(
                client_id, clean_session=clean, will_message=will, **properties
            )
            # Without this, the client reconnects by itself.
            client.gmqtt.set_config({"reconnect_retries": 0})
            connects, client.disconnects = asyncio.Queue(), asyncio.Queue()
            client.gmqtt.on_connect = lambda _c, flags, code, granted: connects.put_nowait(
                (flags, code, granted)
            )
            client.gmqtt.on_disconnect = lambda _c, _packet, _exc=None: (
                client.disconnects.put_nowait("gone")
            )
            client.gmqtt.on_subscribe = lambda _c, _mid, codes, _p: client.subscribed.put_nowait(
                codes
            )

            async def on_message(_client, topic, payload, qos, said):
                client.messages.put_nowait((topic, bytes(payload), qos, said))
                return 0

            client.gmqtt.on_message = on_message
            await within(client.gmqtt.connect(HOST, PORT, version=5))
            flags, code, client.granted = await within(connects.get())
            assert code == 0, code
            client.session_present = bool(flags & 1)
            return client

        async def subscribe(self, topic, qos, **wishes):
            self.gmqtt.subscribe(gmqtt.Subscription(topic, qos=qos, **wishes), **{
                name: wishes[name] for name in wishes if name == "subscription_identifier"
            })
            codes = await within(self.subscribed.get())
            assert list(codes) == [qos], codes

        async def expect(self, topic, payload, qos):
            came = await within(self.messages.get())
            assert came[:3] == (topic, payload, qos), came
            return came[3]

        async def leave(self, **properties):
            await within(self.gmqtt.disconnect(**properties))

    async def message_properties():
        publisher = await Client.connect("gm5-pub")
        said = dict(
            user_property=[("b", "1"), ("a", "2"), ("b", "1")],
            content_type="text/plain",
            response_topic="gm5/answers",
            correlation_data=b"c7",
            message_expiry_interval=600,
        )
        for qos in (0, 1, 2):
            subscriber = await Client.connect("gm5-props", session_expiry_interval=KEPT_S)
            await subscriber.subscribe("gm5/props", qos, subscription_identifier=7)
            publisher.gmqtt.publish("gm5/props", "live", qos=qos, **said)
            got = [await subscriber.expect("gm5/props", b"live", qos)]
            if qos > 0:
                await subscriber.leave()
                publisher.gmqtt.publish("gm5/props", "kept", qos=qos, **said)
                subscriber = await Client.connect(
                    "gm5-props", clean=False, session_expiry_interval=KEPT_S
                )
                assert subscriber.session_present
                got.append(await subscriber.expect("gm5/props", b"kept", qos))
            for properties in got:
                assert properties["user_property"] == said["user_property"], properties
                assert properties["content_type"] == ["text/plain"], properties
                assert properties["response_topic"] == ["gm5/answers"], properties
                assert properties["correlation_data"] == [b"c7"], properties
                assert 500 < properties["message_expiry_interval"][0] <= 600, properties
                assert properties["subscription_identifier"] == [7], properties
            await subscriber.leave()
            await (await Client.connect("gm5-props")).leave()
        await publisher.leave()

    async def topic_alias():
        subscriber, publisher = await Client.connect("gm5-sub"), await Client.connect("gm5-pub")
        assert publisher.granted["topic_alias_maximum"][0] >= 1
        await subscriber.subscribe("gm5/alias", 1)
        publisher.gmqtt.publish("gm5/alias", "named", qos=1, topic_alias=1)
        publisher.gmqtt.publish("", "aliased", qos=1, topic_alias=1)
        await subscriber.expect("gm5/alias", b"named", 1)
        await subscriber.expect("gm5/alias", b"aliased", 1)
        await subscriber.leave()
        await publisher.leave()

    async def receive_maximum():
        subscriber = await Client.connect("gm5-window", receive_maximum=1)
        publisher = await Client.connect("gm5-pub")
        for qos in (1, 2):
            await subscriber.subscribe("gm5/window", qos)
            for number in range(20):
                publisher.gmqtt.publish("gm5/window", f"{number}", qos=qos)
            for number in range(20):
                await subscriber.expect("gm5/window", b"%d" % number, qos)
        await subscriber.leave()
        await publisher.leave()

    async def subscription_options():
        client, other = await Client.connect("gm5-local"), await Client.connect("gm5-other")
        await client.subscribe("gm5/local", 1, no_local=True)
        client.gmqtt.publish("gm5/local", "own", qos=1)
        await other.subscribe("gm5/state", 1)
        other.gmqtt.publish("gm5/state", "on", qos=1, retain=True)
        # The message is retained when the copy for its publisher arrives.
        await other.expect("gm5/state", b"on", 1)
        other.gmqtt.publish("gm5/local", "of the other", qos=1)
        await client.expect("gm5/local", b"of the other", 1)
        for handling, comes in ((2, False), (0, True), (1, False)):
            await client.subscribe(
                "gm5/state", 1, retain_handling_options=handling, retain_as_published=True
            )
            if comes:
                got = await client.expect("gm5/state", b"on", 1)
                assert got["retain"] == 1, got
            other.gmqtt.publish("gm5/state", "passing", qos=1)
            got = await client.expect("gm5/state", b"passing", 1)
            assert got["retain"] == 0, got
        other.gmqtt.publish("gm5/state", "", qos=1, retain=True)
        await client.expect("gm5/state", b"", 1)
        await client.leave()
        await other.leave()

    async def will_delay():
        witness = await Client.connect("gm5-witness")
        await witness.subscribe("gm5/will", 1)
        will = gmqtt.Message(
            "gm5/will", "gone", qos=1, will_delay_interval=1, user_property=("why", "died")
        )
        dying = await Client.connect("gm5-dying", will=will, session_expiry_interval=KEPT_S)
        dying.gmqtt._connection._transport.abort()
        got = await witness.expect("gm5/will", b"gone", 1)
        assert got["user_property"] == [("why", "died")], got
        await (await Client.connect("gm5-dying")).leave()
        await witness.leave()

    return message_properties, topic_alias, receive_maximum, subscription_options, will_delay


def aiomqtt_steps():
    import aiomqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions

    def properties(packet, **values):
        made = Properties(packet)
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def connect(client_id, clean=True, will=None, **values):
        return aiomqtt.Client(
            HOST, PORT, identifier=client_id, protocol=aiomqtt.ProtocolVersion.V5, will=will,
            clean_start=clean, properties=properties(PacketTypes.CONNECT, **values),
            timeout=PATIENCE_S,
        )

    async def expect(client, topic, payload, qos=1):
        message = await within(anext(client.messages))
        came = (str(message.topic), message.payload, message.qos)
        assert came == (topic, payload, qos), came
        return message

    async def message_properties():
        said = dict(
            UserProperty=[("b", "1"), ("a", "2"), ("b", "1")],
            ContentType="text/plain",
            ResponseTopic="aio5/answers",
            CorrelationData=b"c7",
            MessageExpiryInterval=600,
        )
        said = properties(PacketTypes.PUBLISH, **said)
        async with connect("aio5-pub") as publisher:
            for qos in (1, 2):
                async with connect("aio5-kept", SessionExpiryInterval=KEPT_S) as subscriber:
                    await subscriber.subscribe("aio5/kept", qos)
                    await publisher.publish("aio5/kept", "live", qos, properties=said)
                    got = [(await expect(subscriber, "aio5/kept", b"live", qos)).properties]
                await publisher.publish("aio5/kept", "kept", qos, properties=said)
                async with connect(
                    "aio5-kept", clean=False, SessionExpiryInterval=KEPT_S
                ) as subscriber:
                    got.append((await expect(subscriber, "aio5/kept", b"kept", qos)).properties)
                for came in got:
                    assert came.UserProperty == said.UserProperty, came
                    assert came.ContentType == "text/plain", came
                    assert came.ResponseTopic == "aio5/answers", came
                    assert came.CorrelationData == b"c7", came
                    assert 500 < came.MessageExpiryInterval <= 600, came
                async with connect("aio5-kept"):
                    pass

    async def subscription_options():
        async with connect("aio5-a", ReceiveMaximum=1) as client, connect("aio5-b") as other:
            identified = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=5)
            # Retained messages are not requested: the search could still find those that follow.
            options = SubscribeOptions(
                qos=1, noLocal=True, retainAsPublished=True, retainHandling=2
            )
            await client.subscribe("aio5/options", options=options, properties=identified)
            await client.publish("aio5/options", "own", 1)
            await other.publish("aio5/options", "of the other", 1, retain=True)
            message = await expect(client, "aio5/options", b"of the other")
            assert message.retain, message
            assert message.properties.SubscriptionIdentifier == [5], message.properties
            await other.publish("aio5/options", b"", 1, retain=True)
            await expect(client, "aio5/options", b"")
            for number in range(20):
                await other.publish("aio5/options", f"{number}", 1)
            for number in range(20):
                await expect(client, "aio5/options", b"%d" % number)

    async def topic_alias():
        async with connect("aio5-sub") as subscriber, connect("aio5-pub") as publisher:
            await subscriber.subscribe("aio5/alias", 1)
            alias = properties(PacketTypes.PUBLISH, TopicAlias=1)
            await publisher.publish("aio5/alias", "named", 1, properties=alias)
            await publisher.publish("", "aliased", 1, properties=alias)
            await expect(subscriber, "aio5/alias", b"named")
            await expect(subscriber, "aio5/alias", b"aliased")

    async def will_delay():
        async with connect("aio5-witness") as witness:
            await witness.subscribe("aio5/will", 1)
            said = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=1, ContentType="gone")
            will = aiomqtt.Will("aio5/will", "gone", 1, properties=said)
            dying = connect("aio5-dying", will=will, SessionExpiryInterval=KEPT_S)
            try:
                async with dying:
                    dying._client.socket().shutdown(2)
                    await within(anext(dying.messages))
                raise AssertionError("the connection goes on")
            except aiomqtt.MqttError:
                pass
            message = await expect(witness, "aio5/will", b"gone")
            assert message.properties.ContentType == "gone", message.properties
            async with connect("aio5-dying"):
                pass

    return message_properties, subscription_options, topic_alias, will_delay


async def main():
    for step in {"gmqtt": gmqtt_steps, "aiomqtt": aiomqtt_steps}[NAME]():
        print(step.__name__, flush=True)
        await step()


asyncio.run(main())
