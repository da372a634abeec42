// MQTT.js with a broker. The arguments are host, port and 3.1 or 3.1.1; the exit code is 0 without
// a failure. With two more arguments, a file of authorities and TLSv1.2 or TLSv1.3, it uses TLS.
// With TRANSPORT=websockets in the environment it uses WebSocket.
'use strict';

const assert = require('node:assert/strict');
const mqtt = require('mqtt');

const [host, port, version, authorities, tlsVersion] = process.argv.slice(2);
const door = authorities
  ? {
    protocol: 'mqtts', ca: require('node:fs').readFileSync(authorities),
    minVersion: tlsVersion, maxVersion: tlsVersion,
  }
  : {};
if (process.env.TRANSPORT === 'websockets') {
  door.protocol = authorities ? 'wss' : 'ws';
  door.path = '/mqtt';
  door.wsOptions = { minVersion: door.minVersion, maxVersion: door.maxVersion };
}
const PATIENCE_MS = 90_000;
const protocol = {
  '3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  '3.1.1': { protocolId: 'MQTT', protocolVersion: 4 },
}[version];

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

  static async connect(clientId, options = {}) {
    const client = new Client();
    const accepted = new Queue();
    client.mqtt = mqtt.connect({
      host, port: Number(port), clientId, clean: true, reconnectPeriod: 0,
      ...door, ...protocol, ...options,
    });
    client.mqtt.on('connect', (packet) => accepted.put(packet));
    client.mqtt.on('message', (topic, payload, packet) =>
      client.messages.put([topic, payload.toString('hex'), packet.qos, packet.retain]));
    client.mqtt.on('close', () => client.closes.put('close'));
    client.mqtt.on('error', (error) => { throw error; });
    client.sessionPresent = (await accepted.take(`CONNACK for ${clientId}`)).sessionPresent;
    return client;
  }

  async subscribe(topic, qos) {
    const [granted] = await this.mqtt.subscribeAsync(topic, { qos });
    assert.equal(granted.qos, qos);
  }

  publish(topic, payload, qos = 1, retain = false) {
    return this.mqtt.publishAsync(topic, payload, { qos, retain });
  }

  async expect(topic, payload, qos, retain = false) {
    const came = await this.messages.take(`${payload} on ${topic}`);
    assert.deepEqual(came, [topic, Buffer.from(payload).toString('hex'), qos, retain]);
  }

  leave() {
    return this.mqtt.endAsync();
  }

  /** Ends the network connection without a DISCONNECT. */
  die() {
    this.mqtt.stream.destroy();
  }
}

async function roundTrip() {
  const subscriber = await Client.connect('js-sub');
  const publisher = await Client.connect('js-pub');
  const payload = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 256));
  for (const qos of [0, 1, 2]) {
    await subscriber.subscribe(`js/${qos}/+`, qos);
    for (const published of [0, 1, 2]) {
      await publisher.publish(`js/${qos}/a`, payload, published);
      await subscriber.expect(`js/${qos}/a`, payload, Math.min(qos, published));
    }
  }
  await subscriber.leave();
  await publisher.leave();
}

async function offlineMessages() {
  let subscriber = await Client.connect('js-kept', { clean: false });
  const publisher = await Client.connect('js-pub');
  await subscriber.subscribe('js/kept', 1);
  await subscriber.leave();
  for (let number = 0; number < 20; number += 1) await publisher.publish('js/kept', `${number}`);
  subscriber = await Client.connect('js-kept', { clean: false });
  if (version === '3.1.1') assert.equal(subscriber.sessionPresent, true);
  for (let number = 0; number < 20; number += 1) {
    await subscriber.expect('js/kept', `${number}`, 1);
  }
  await subscriber.leave();
  await (await Client.connect('js-kept')).leave();
  subscriber = await Client.connect('js-kept', { clean: false });
  if (version === '3.1.1') assert.equal(subscriber.sessionPresent, false);
  await subscriber.leave();
  await (await Client.connect('js-kept')).leave();
  await publisher.leave();
}

/** Messages of QoS 1 and 2 beside each other, while the subscriber is there and is not. */
async function mixedQos() {
  let subscriber = await Client.connect('js-mixed', { clean: false });
  const publisher = await Client.connect('js-pub');
  await subscriber.subscribe('js/mixed', 2);
  for (const isPresent of [true, false, true]) {
    if (!isPresent) await subscriber.leave();
    const numbers = Array.from({ length: 60 }, (_, number) => number);
    await Promise.all(
      numbers.map((number) => publisher.publish('js/mixed', `${number}`, 1 + (number % 2))));
    if (!isPresent) subscriber = await Client.connect('js-mixed', { clean: false });
    const came = { 1: [], 2: [] };
    for (const number of numbers) {
      const [, payload, qos] = await subscriber.messages.take(`message ${number}`);
      came[qos].push(Number(Buffer.from(payload, 'hex')));
    }
    // MQTT.js hands over QoS 2 at PUBREL, so the order holds for each QoS.
    for (const qos of [1, 2]) {
      assert.deepEqual(came[qos], numbers.filter((number) => number % 2 === qos - 1));
    }
  }
  await subscriber.leave();
  await (await Client.connect('js-mixed')).leave();
  await publisher.leave();
}

async function retained() {
  const publisher = await Client.connect('js-pub');
  await publisher.publish('js/state', 'on', 1, true);
  await publisher.publish('js/marker', 'marker', 1, true);
  const reader = await Client.connect('js-reader');
  await reader.subscribe('js/state', 1);
  await reader.expect('js/state', 'on', 1, true);
  await publisher.publish('js/state', 'twice', 2, true);
  await reader.expect('js/state', 'twice', 1);
  await reader.subscribe('js/state', 2);
  await reader.expect('js/state', 'twice', 2, true);
  await publisher.publish('js/state', '', 1, true);
  await reader.expect('js/state', '', 1);
  await reader.leave();
  const late = await Client.connect('js-late');
  await late.subscribe('js/state', 1);
  await late.subscribe('js/marker', 1);
  await late.expect('js/marker', 'marker', 1, true);
  await late.leave();
  await publisher.publish('js/marker', '', 1, true);
  await publisher.leave();
}

async function will() {
  const witness = await Client.connect('js-witness');
  await witness.subscribe('js/will', 2);
  const withWill = (payload, qos) => ({ will: { topic: 'js/will', payload, qos, retain: false } });
  await (await Client.connect('js-polite', withWill('not sent', 1))).leave();
  for (const qos of [1, 2]) {
    (await Client.connect('js-dying', withWill('gone', qos))).die();
    await witness.expect('js/will', 'gone', qos);
  }
  await witness.leave();
}

async function takeover() {
  const first = await Client.connect('js-twin', { clean: false });
  await first.subscribe('js/twin', 1);
  const second = await Client.connect('js-twin', { clean: false });
  await first.closes.take('the close of the first');
  const publisher = await Client.connect('js-pub');
  await publisher.publish('js/twin', 'to the second');
  await second.expect('js/twin', 'to the second', 1);
  await second.leave();
  await publisher.leave();
  await (await Client.connect('js-twin')).leave();
}

(async () => {
  for (const step of [roundTrip, offlineMessages, mixedQos, retained, will, takeover]) {
    console.log(step.name);
    await step();
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
