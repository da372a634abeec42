"""Replays two cities' hourly temperatures into an MQTT broker, each acknowledged before the next.

The readings are files of the PyPI package vega_datasets, found through its list of files, so
nothing is downloaded and its code (which wants pandas) is not run.
"""

import argparse
import csv
import importlib.metadata
import json
import os
import sys
import threading
import time
from datetime import datetime

CITIES = {"seattle": "seattle-temps.csv", "sf": "sf-temps.csv"}
ACK_TIMEOUT_S = 10


def positive(text):
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def natural(text):
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def parse_options():
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Publishes the hourly temperatures of Seattle and San Francisco in 2010 as "
        "retained QoS 1 messages on sensors/seattle/temp and sensors/sf/temp, in turn, and waits "
        'for each PUBACK. A message is JSON: {"time":"2010-01-01T00:00","fahrenheit":39.4}.',
        epilog="Watch them with: mosquitto_sub -t 'sensors/#' -v",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the broker's address")
    parser.add_argument("--port", type=int, default=1883, help="the broker's port")
    parser.add_argument(
        "--count", type=natural, default=96, metavar="N",
        help="messages to publish, both cities together; 0 for the whole year",
    )
    parser.add_argument(
        "--rate", type=positive, default=4.0, metavar="R", help="messages per second at most"
    )
    return parser.parse_args()


def readings(city):
    """Yields (time, temperature) in the file's order."""
    files = importlib.metadata.files("vega_datasets") or []
    path = next(file for file in files if file.name == CITIES[city])
    with open(path.locate(), newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            at = datetime.strptime(row["date"][:16], "%Y/%m/%d %H:%M")
            yield at.isoformat(timespec="minutes"), float(row["temp"])


def messages():
    """Yields (topic, payload), hour by hour and city by city."""
    for hour in zip(*map(readings, CITIES)):
        for city, (at, temperature) in zip(CITIES, hour):
            reading = {"time": at, "fahrenheit": temperature}
            yield f"sensors/{city}/temp", json.dumps(reading, separators=(",", ":"))


def connect(options):
    """Returns a client whose connection the broker has accepted."""
    import paho.mqtt.client as mqtt

    answered = threading.Event()
    answer = []

    def on_connect(client, userdata, flags, reason, properties):
        answer.append(reason)
        answered.set()

    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=f"demo-{os.getpid()}", protocol=mqtt.MQTTv311
    )
    client.on_connect = on_connect
    where = f"{options.host}:{options.port}"
    try:
        client.connect(options.host, options.port, keepalive=30)
    except OSError as error:
        sys.exit(f"scripts/demo: no broker at {where}: {error}")
    client.loop_start()
    if not answered.wait(ACK_TIMEOUT_S):
        sys.exit(f"scripts/demo: the broker at {where} did not answer CONNECT")
    if answer[0].is_failure:
        sys.exit(f"scripts/demo: the broker at {where} refused the connection: {answer[0]}")
    return client


def publish(client, topic, payload):
    """Publishes one message and waits until the broker has acknowledged it."""
    sent = client.publish(topic, payload, qos=1, retain=True)
    try:
        sent.wait_for_publish(ACK_TIMEOUT_S)
        acknowledged = sent.is_published()
    except (RuntimeError, ValueError):
        acknowledged = False
    if not acknowledged:
        sys.exit(f"scripts/demo: no PUBACK within {ACK_TIMEOUT_S} s for {topic} {payload}")


def main():
    options = parse_options()
    client = connect(options)
    published = {}
    start = time.monotonic()
    try:
        for number, (topic, payload) in enumerate(messages()):
            if number == options.count != 0:
                break
            time.sleep(max(0.0, start + number / options.rate - time.monotonic()))
            publish(client, topic, payload)
            print(topic, payload, flush=True)
            count, _ = published.get(topic, (0, None))
            published[topic] = (count + 1, payload)
    except KeyboardInterrupt:
        print()
    total = sum(count for count, _ in published.values())
    seconds = time.monotonic() - start
    print(f"published {total} messages in {seconds:.1f} s, each acknowledged:")
    for topic, (count, last) in published.items():
        print(f"  {topic}: {count}, the last is {last}")
    client.disconnect()
    client.loop_stop()


main()
