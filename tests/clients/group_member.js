// A member of a consumer group with MQTT.js. The arguments are host, port, 3.1.1 or 5, client id and
// share filter. It prints `joined`, then each message as topic and text. It ends with its standard
// input.
'use strict';

const mqtt = require('mqtt');

const [host, port, version, clientId, filter] = process.argv.slice(2);
const client = mqtt.connect({
  host, port: Number(port), clientId, protocolVersion: version === '5' ? 5 : 4,
});
client.on('message', (topic, payload) => console.log(`${topic} ${payload}`));
client.on('connect', () => {
  client.subscribe(filter, { qos: 1 }, (error, granted) => {
    console.log(!error && granted[0].qos === 1 ? 'joined' : `refused: ${error}`);
  });
});
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
