//! MQTT over WebSocket (6).

use std::io::{Read, Write};

use crate::common::websocket::{BINARY, WebSocket, frame_of_client, request, socket};
use crate::common::{Broker, PINGREQ, PINGRESP, connack, connect, on_shards};

/// Packets travel in binary frames, and any other data frame closes the connection.
#[test]
pub(crate) fn binary_frames_alone() {
    on_shards(&[1, 2], |broker| {
        let mut client = WebSocket::connect(broker, "binary");
        client.send(PINGREQ);
        client.expect_frame(BINARY, PINGRESP);
        client.send_raw(&frame_of_client(0x81, PINGREQ));
        client.expect_close(1003);
        let mut client = WebSocket::open(broker);
        client.send_raw(&frame_of_client(0x81, &connect("text").bytes()));
        client.expect_close(1003);
    });
}

/// One frame may hold several packets, and a packet several frames.
#[test]
pub(crate) fn frames_are_not_packets() {
    on_shards(&[1, 2], |broker| {
        let mut client = WebSocket::open(broker);
        client.send(&[&connect("several").bytes()[..], PINGREQ, PINGREQ].concat());
        client.expect(&[&connack(false, 0)[..], PINGRESP, PINGRESP].concat());
        for byte in PINGREQ {
            client.send(&[*byte]);
        }
        client.expect(PINGRESP);
        client.send_raw(&[frame_of_client(0x02, &[0xc0]), frame_of_client(0x80, &[0])].concat());
        client.expect(PINGRESP);
    });
}

/// The broker selects the subprotocol `mqtt` if it is offered, and no other.
#[test]
pub(crate) fn subprotocol_is_selected() {
    let broker = Broker::start(1);
    for (offer, answer) in [
        ("mqtt", "101 Switching Protocols\r\n"),
        ("chat, mqtt", "101 Switching Protocols\r\n"),
        ("chat", "400 Bad Request\r\n"),
    ] {
        let mut socket = socket(&broker);
        let line = format!("Sec-WebSocket-Protocol: {offer}\r\n");
        let asked = request("/", "").replace("Sec-WebSocket-Protocol: mqtt\r\n", &line);
        socket.write_all(asked.as_bytes()).expect("the broker reads it");
        socket.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut came = Vec::new();
        socket.read_to_end(&mut came).expect("the broker answers and closes");
        let came = String::from_utf8_lossy(&came);
        assert!(came.starts_with(&format!("HTTP/1.1 {answer}")), "{came}");
        let is_selected = came.contains("Sec-WebSocket-Protocol: mqtt\r\n");
        assert_eq!(is_selected, answer.starts_with("101"), "{came}");
    }
}
