// MQTT.js's MQTT 5 against a broker: arguments are host and port; exit code 0 if all is well.
'use strict';

const assert = require('node:assert/strict');
const mqtt = require('mqtt');

const [host, port] = process.argv.slice(2);
const PATIENCE_MS = 90_000;
const KEPT_S = 3600;

/** Events that wait to be taken, and takers that wait for events. */
class Queue {
  #events = [];
  #takers = [];

  put(event) {
    const taker = this.#takers.shift();
    if (taker) taker(event);
    else this.#events.push(event);
  }

  take(what) {
    if (this.#events.length > 0) return Promise.resolve(this.#events.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} does not come`)), PATIENCE_MS);
      this.#takers.push((event) => {
        clearTimeout(timer);
        resolve(event);
      });
    });
  }
}

class Client {
  messages = new Queue();
  closes = new Queue();
  disconnects = new Queue();

  /** `properties` are those of CONNECT. */
  static async connect(clientId, properties = {}, options = {}) {
    const client = new Client();
    const accepted = new Queue();
    client.mqtt = mqtt.connect({
      host, port: Number(port), clientId, clean: true, reconnectPeriod: 0, protocolVersion: 5,
      properties, ...options,
    });
    client.mqtt.on('connect', (packet) => accepted.put(packet));
    client.mqtt.on('message', (topic, payload, packet) =>
      client.messages.put({ topic, payload: payload.toString(), packet }));
    client.mqtt.on('disconnect', (packet) => client.disconnects.put(packet));
    client.mqtt.on('close', () => client.closes.put('close'));
    client.mqtt.on('error', (error) => { throw error; });
    const connack = await accepted.take(`CONNACK for ${clientId}`);
    client.sessionPresent = connack.sessionPresent;
    client.granted = connack.properties ?? {};
    return client;
  }

  async subscribe(topic, qos, options = {}) {
    const [granted] = await this.mqtt.subscribeAsync(topic, { qos, ...options });
    assert.equal(granted.qos, qos);
  }

  publish(topic, payload, properties = {}, options = {}) {
    return this.mqtt.publishAsync(topic, payload, { qos: 1, ...options, properties });
  }

  /** Takes the next message, which must be this one; returns its properties. */
  async expect(topic, payload, retain = false) {
    const came = await this.messages.take(`${payload} on ${topic}`);
    assert.deepEqual([came.topic, came.payload, came.packet.retain], [topic, payload, retain]);
    return came.packet.properties ?? {};
  }

  leave(properties = {}) {
    return this.mqtt.endAsync(false, { properties });
  }

  /** Ends the network connection without a DISCONNECT. */
  die() {
    this.mqtt.stream.destroy();
  }
}

/** What a publisher says about a message reaches the subscriber, live and from the queue. */
async function messageProperties() {
  const publisher = await Client.connect('js5-pub');
  const said = {
    userProperties: { b: ['1', '3'], a: '2' },
    contentType: 'text/plain',
    responseTopic: 'js5/answers',
    correlationData: Buffer.from([0, 1, 255]),
    payloadFormatIndicator: true,
    messageExpiryInterval: 600,
  };
  let subscriber = await Client.connect('js5-props', { sessionExpiryInterval: KEPT_S });
  await subscriber.subscribe('js5/props', 1);
  await publisher.publish('js5/props', 'live', said);
  const came = [await subscriber.expect('js5/props', 'live')];
  await subscriber.leave();
  await publisher.publish('js5/props', 'kept', said);
  subscriber = await Client.connect(
    'js5-props', { sessionExpiryInterval: KEPT_S }, { clean: false });
  assert.equal(subscriber.sessionPresent, true);
  came.push(await subscriber.expect('js5/props', 'kept'));
  for (const got of came) {
    const { messageExpiryInterval, userProperties, ...rest } = got;
    assert.ok(messageExpiryInterval > 500 && messageExpiryInterval <= 600);
    assert.deepEqual({ ...userProperties }, said.userProperties);
    const { messageExpiryInterval: _m, userProperties: _u, ...due } = said;
    assert.deepEqual({ ...rest }, due);
  }
  await subscriber.leave({ sessionExpiryInterval: 0 });
  await publisher.leave();
}

/** A session lasts as long as CONNECT says, or DISCONNECT after it. */
async function sessionExpiry() {
  for (const [connected, left, isKept] of [
    [{}, {}, false],
    [{ sessionExpiryInterval: KEPT_S }, {}, true],
    [{ sessionExpiryInterval: 0xffffffff }, {}, true],
    [{ sessionExpiryInterval: KEPT_S }, { sessionExpiryInterval: 0 }, false],
  ]) {
    await (await Client.connect('js5-session', connected)).leave(left);
    const again = await Client.connect('js5-session', {}, { clean: false });
    assert.equal(again.sessionPresent, isKept, JSON.stringify([connected, left]));
    await again.leave();
  }
}

/** MQTT.js gives aliases to topics by itself, and undoes those of the broker. */
async function topicAlias() {
  const subscriber = await Client.connect('js5-sub', { topicAliasMaximum: 2 });
  const publisher = await Client.connect('js5-pub', {}, { autoAssignTopicAlias: true });
  assert.ok(publisher.granted.topicAliasMaximum >= 3);
  await subscriber.subscribe('js5/alias/+', 1);
  for (let round = 0; round < 3; round += 1) {
    for (const name of ['one', 'two', 'three']) {
      await publisher.publish(`js5/alias/${name}`, `${round}`);
      await subscriber.expect(`js5/alias/${name}`, `${round}`);
    }
  }
  await subscriber.leave();
  await publisher.leave();
}

/** With one message in flight at a time all come, in order. */
async function receiveMaximum() {
  const publisher = await Client.connect('js5-pub');
  for (const qos of [1, 2]) {
    const subscriber = await Client.connect('js5-window', { receiveMaximum: 1 });
    await subscriber.subscribe('js5/window', qos);
    const numbers = Array.from({ length: 20 }, (_, number) => `${number}`);
    await Promise.all(numbers.map((number) => publisher.publish('js5/window', number, {}, { qos })));
    for (const number of numbers) await subscriber.expect('js5/window', number);
    await subscriber.leave();
  }
  await publisher.leave();
}

/** Identifiers, No Local, Retain Handling and Retain As Published. */
async function subscriptionOptions() {
  const client = await Client.connect('js5-options');
  const other = await Client.connect('js5-other');
  await client.subscribe('js5/ids/#', 1, { properties: { subscriptionIdentifier: 1 } });
  await client.subscribe('js5/ids/+', 1, { properties: { subscriptionIdentifier: 2 } });
  await other.publish('js5/ids/a', 'both');
  const { subscriptionIdentifier } = await client.expect('js5/ids/a', 'both');
  assert.deepEqual([...subscriptionIdentifier].sort(), [1, 2]);
  await client.subscribe('js5/local', 1, { nl: true });
  await client.publish('js5/local', 'own');
  await other.publish('js5/local', 'of the other');
  await client.expect('js5/local', 'of the other');
  await other.publish('js5/state', 'on', {}, { retain: true });
  for (const [rh, first, again] of [[0, true, true], [1, true, false], [2, false, false]]) {
    for (const comes of [first, again]) {
      await client.subscribe('js5/state', 1, { rh, rap: true });
      if (comes) await client.expect('js5/state', 'on', true);
      // Replayed messages come before one that is published later.
      await other.publish('js5/state', 'passing');
      await client.expect('js5/state', 'passing', false);
    }
    await client.mqtt.unsubscribeAsync('js5/state');
  }
  await client.subscribe('js5/state', 1, { rh: 2, rap: true });
  await other.publish('js5/state', '', {}, { retain: true });
  await client.expect('js5/state', '', true);
  await client.leave();
  await other.leave();
}

async function requestResponse() {
  const requester = await Client.connect('js5-req');
  const responder = await Client.connect('js5-resp');
  await responder.subscribe('js5/requests', 1);
  await requester.subscribe('js5/answers', 1);
  const correlationData = Buffer.from('c7');
  await requester.publish('js5/requests', '2+3', { responseTopic: 'js5/answers', correlationData });
  const asked = await responder.expect('js5/requests', '2+3');
  await responder.publish(asked.responseTopic, '5', { correlationData: asked.correlationData });
  const answer = await requester.expect('js5/answers', '5');
  assert.deepEqual(answer.correlationData, correlationData);
  await requester.leave();
  await responder.leave();
}

/** A will waits for its delay; a client that comes back in time leaves none. */
async function willDelay() {
  const witness = await Client.connect('js5-witness');
  await witness.subscribe('js5/will', 1);
  const dying = (willDelayInterval, payload, clean) => Client.connect(
    'js5-dying', { sessionExpiryInterval: KEPT_S }, {
      clean,
      will: {
        topic: 'js5/will', payload, qos: 1, retain: false,
        properties: { willDelayInterval, contentType: 'gone', userProperties: { why: 'died' } },
      },
    });
  (await dying(KEPT_S, 'not sent', true)).die();
  const again = await dying(1, 'after a second', false);
  assert.equal(again.sessionPresent, true);
  again.die();
  const got = await witness.expect('js5/will', 'after a second');
  assert.deepEqual([got.contentType, { ...got.userProperties }], ['gone', { why: 'died' }]);
  (await dying(KEPT_S, 'at the end of the session', false)).die();
  await (await Client.connect('js5-dying')).leave();
  await witness.expect('js5/will', 'at the end of the session');
  await witness.leave();
}

/** The reason of a DISCONNECT, and a client identifier from the broker. */
async function reasons() {
  const first = await Client.connect('js5-twin', { sessionExpiryInterval: KEPT_S });
  const second = await Client.connect('js5-twin', {}, { clean: false });
  assert.equal(second.sessionPresent, true);
  assert.equal((await first.disconnects.take('the DISCONNECT of the first')).reasonCode, 0x8e);
  await second.leave();
  const nameless = await Client.connect('');
  assert.ok(nameless.granted.assignedClientIdentifier);
  await nameless.leave();
}

(async () => {
  for (const step of [
    messageProperties, sessionExpiry, topicAlias, receiveMaximum, subscriptionOptions,
    requestResponse, willDelay, reasons,
  ]) {
    console.log(step.name);
    await step();
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
