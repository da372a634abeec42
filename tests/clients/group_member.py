"""A member of a consumer group with paho-mqtt: arguments are host, port, 3.1.1 or 5, client id, share
filter, and `prompt` or `late`.

It prints `joined`, then each payload as topic and text. A late member has a session that stays and
acknowledges nothing until a line comes on standard input; then it prints `acknowledges N`,
acknowledges these messages, and is prompt from then on. It ends with its standard input.
"""

import sys
import threading

import paho.mqtt.client as mqtt

HOST, PORT, VERSION, CLIENT_ID, FILTER, WAY = sys.argv[1], int(sys.argv[2]), *sys.argv[3:7]
V5 = VERSION == "5"
held, lock, printing = [], threading.Lock(), threading.Lock()
is_late = WAY == "late"


def tell(line):
    with printing:
        print(line, flush=True)


def receive(client, _userdata, message):
    tell(f"{message.topic} {message.payload.decode()}")
    if WAY != "late":
        return
    with lock:
        if is_late:
            held.append(message)
        else:
            client.ack(message.mid, message.qos)


session = {} if V5 else {"clean_session": WAY != "late"}
client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id=CLIENT_ID,
    protocol=mqtt.MQTTv5 if V5 else mqtt.MQTTv311,
    manual_ack=WAY == "late",
    **session,
)
client.on_message = receive
client.on_connect = lambda client, *_: client.subscribe(FILTER, qos=1)
client.on_subscribe = lambda _c, _u, _mid, codes, _p: tell(
    "joined" if all(code.value == 1 for code in codes) else f"refused: {codes}")
client.connect(HOST, PORT)
client.loop_start()
for _line in sys.stdin:
    with lock:
        is_late = False
        # Before the broker has any reason to send more.
        tell(f"acknowledges {len(held)}")
        for message in held:
            client.ack(message.mid, message.qos)
        held.clear()
client.loop_stop()
