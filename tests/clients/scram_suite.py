"""SCRAM as the library scramp speaks it, against a broker: arguments are host, port, user and
password; exit code 0 if all is well. paho-mqtt writes and reads the properties."""

import socket
import struct
import sys

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from scramp import ScramClient

HOST, PORT, USER, PASSWORD = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PATIENCE_S = 20
CONTINUE, ANEW, SUCCESS, NOT_AUTHORIZED = 0x18, 0x19, 0x00, 0x87


def properties(packet, method, message):
    made = Properties(packet)
    made.AuthenticationMethod = method
    made.AuthenticationData = message.encode()
    return made.pack()


def frame(first, body):
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([first]) + length + body


class Link:
    def __init__(self):
        self.socket = socket.create_connection((HOST, PORT), timeout=PATIENCE_S)
        self.stream = self.socket.makefile("rb")

    def connect(self, client_id, method, message):
        head = b"\x00\x04MQTT\x05\x02\x00\x00"
        told = properties(PacketTypes.CONNECT, method, message)
        payload = struct.pack("!H", len(client_id)) + client_id.encode()
        self.socket.sendall(frame(0x10, head + told + payload))

    def auth(self, code, method, message):
        told = properties(PacketTypes.AUTH, method, message)
        self.socket.sendall(frame(0xF0, bytes([code]) + told))

    def read(self):
        """First byte, reason code and message of the next packet."""
        first = self.stream.read(1)[0]
        length, shift = 0, 0
        while True:
            digit = self.stream.read(1)[0]
            length, shift = length | (digit & 0x7F) << shift, shift + 7
            if not digit & 0x80:
                break
        body = self.stream.read(length)
        kind, at = (PacketTypes.CONNACK, 1) if first == 0x20 else (PacketTypes.AUTH, 0)
        told = Properties(kind)
        told.unpack(body[at + 1 :])
        message = getattr(told, "AuthenticationData", b"").decode()
        return first, body[at], message


def prove(link, method, password, begin):
    """One exchange; tells the last packet, and checks what the broker proves."""
    client = ScramClient([method], USER, password)
    begin(client.get_client_first())
    first, code, message = link.read()
    assert (first, code) == (0xF0, CONTINUE), (first, code)
    client.set_server_first(message)
    link.auth(CONTINUE, method, client.get_client_final())
    first, code, message = link.read()
    if code == SUCCESS:
        client.set_server_final(message)
    return first, code


for method in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
    for client_id in ("ash", "beech", "clover", "daisy"):
        link = Link()
        begin = lambda message: link.connect(client_id, method, message)
        assert prove(link, method, PASSWORD, begin) == (0x20, SUCCESS)
        begin = lambda message: link.auth(ANEW, method, message)
        assert prove(link, method, PASSWORD, begin) == (0xF0, SUCCESS)
        link = Link()
        begin = lambda message: link.connect(client_id, method, message)
        assert prove(link, method, PASSWORD + "!", begin) == (0x20, NOT_AUTHORIZED)
