//! WebSocket in memory, over plain TCP and over TLS.

use super::*;
use crate::limits::{WEBSOCKET_CONTROL_BYTES_MAX, WEBSOCKET_REQUEST_BYTES_MAX};
use crate::transport::{Accepts, Closing, WebSocketFault, WebSocketSetup};

/// The request of the standard (1.2), with the subprotocol of MQTT.
const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Protocol: chat, mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
     Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// A frame from a client.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = unmasked(first, payload);
    let header = frame.len() - payload.len();
    frame[1] |= 0x80;
    frame.splice(header..header, MASK);
    frame[header + 4..].iter_mut().zip(MASK.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    frame
}

/// A frame from a server.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![u8::try_from(short).expect("short")],
        long @ 126..65_536 => {
            [&[126][..], &u16::try_from(long).expect("16 bits").to_be_bytes()].concat()
        }
        longer => [&[127][..], &(longer as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &length, payload].concat()
}

fn close_frame(code: u16) -> Vec<u8> {
    unmasked(0x88, &code.to_be_bytes())
}

fn plain_server(beginning: Beginning) -> Server {
    let (room, pool) = (Vec::new(), ChunkPool::default());
    Server { transport: Transport::new(None, beginning), room, pool, plain: Vec::new() }
}

/// A WebSocket whose request was answered.
fn opened() -> Server {
    let mut server = plain_server(Beginning::default());
    assert!(matches!(server.receive(REQUEST.as_bytes()), Then::More));
    assert_eq!(server.flush(), ANSWER.as_bytes());
    server
}

/// The last send, which is sent completely.
fn end(server: &mut Server, plain: Batch) -> Vec<u8> {
    let sealed = server.send(plain, true);
    server.transport.on_sent(sealed.bytes());
    flat(&sealed)
}

// The first byte decides, at each kind of listener, and plain TCP is left without layers.
#[test]
fn first_byte_decides() {
    for (accepts, bytes, is_plain, is_websocket) in [
        (Accepts::Both, &b"\x10"[..], true, false),
        (Accepts::Both, b"G", false, true),
        (Accepts::Both, b"PROXY TCP4 ", true, false),
        (Accepts::Both, b"\x16\x03\x01", true, false),
        (Accepts::Both, b"get ", true, false),
        (Accepts::Mqtt, b"\x10", true, false),
        (Accepts::Mqtt, b"G", false, true),
        (Accepts::WebSocket, b"G", false, true),
        (Accepts::WebSocket, b"\x10", false, false),
    ] {
        let mut server = plain_server(Beginning { accepts, ..Beginning::default() });
        assert!(matches!(server.receive(b""), Then::More));
        let then = server.receive(bytes);
        assert_eq!(matches!(server.transport, Transport::Plain), is_plain, "{bytes:?}");
        assert_eq!(server.transport.is_websocket(), is_websocket, "{bytes:?}");
        let is_refused = matches!(then, Then::WebSocket(WebSocketFault::NoRequest));
        assert_eq!(is_refused, !is_plain && !is_websocket, "{bytes:?}: {then:?}");
        assert_eq!(server.plain, if is_plain { bytes } else { b"" });
    }
}

// A request is answered as in the standard, in whatever pieces it comes; frames may follow at once.
#[test]
fn requests_in_pieces() {
    let frame = masked(0x82, b"behind");
    let all = [REQUEST.as_bytes(), &frame].concat();
    for cut in 0..all.len() {
        let mut server = plain_server(Beginning::default());
        for piece in [&all[..cut], &all[cut..]] {
            assert!(matches!(server.receive(piece), Then::More), "{cut}");
        }
        assert_eq!((server.flush(), &server.plain[..]), (ANSWER.into(), &b"behind"[..]), "{cut}");
    }
    let mut server = plain_server(Beginning::default());
    for byte in &all {
        assert!(matches!(server.receive(&[*byte]), Then::More));
    }
    assert_eq!((server.flush(), &server.plain[..]), (ANSWER.into(), &b"behind"[..]));
}

/// The request with one line changed; an empty one takes it out.
fn changed(line: &str, to: &str) -> String {
    let from = REQUEST.split_inclusive("\r\n").find(|it| it.starts_with(line));
    let from = from.unwrap_or_else(|| panic!("no line {line}"));
    let to = if to.is_empty() { String::new() } else { format!("{to}\r\n") };
    REQUEST.replacen(from, &to, 1)
}

// Each request opens a WebSocket or is answered with its status.
#[test]
fn requests() {
    let long = format!("X-Long: {}", "x".repeat(WEBSOCKET_REQUEST_BYTES_MAX));
    let many = "X: y\r\n".repeat(70);
    let cases = [
        (REQUEST.to_owned(), 101),
        (REQUEST.replace("\r\n", "\n"), 101),
        (changed("GET", "GET / HTTP/1.1"), 101),
        (changed("GET", "GET /mqtt?token=x HTTP/1.1"), 101),
        (changed("Upgrade", "upgrade:  h2c, WebSocket"), 101),
        (changed("Connection", "connection: keep-alive, UPGRADE"), 101),
        (changed("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: mqttv3.1"), 101),
        (changed("Sec-WebSocket-Protocol", ""), 101),
        (changed("Host", "Host: a\r\nOrigin: https://anywhere.example"), 101),
        (changed("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat"), 400),
        (changed("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: MQTT"), 400),
        (changed("GET", "GET /elsewhere HTTP/1.1"), 404),
        (changed("GET", "GET /mqtt/ HTTP/1.1"), 404),
        (changed("GET", "GET http://a/mqtt HTTP/1.1"), 404),
        (changed("GET", "POST /mqtt HTTP/1.1"), 405),
        (changed("GET", "HEAD / HTTP/1.1"), 405),
        (changed("GET", "GET /mqtt HTTP/1.0"), 426),
        (changed("GET", "GET /mqtt HTTP/2.0"), 400),
        (changed("GET", "GET /mqtt"), 400),
        (changed("Upgrade", ""), 426),
        (changed("Upgrade", "Upgrade: h2c"), 426),
        (changed("Connection", ""), 426),
        (changed("Connection", "Connection: close"), 426),
        (changed("Host", ""), 400),
        (changed("Host", "Host: a\r\nHost: b"), 400),
        (changed("Sec-WebSocket-Version", ""), 426),
        (changed("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426),
        (changed("Sec-WebSocket-Key", ""), 400),
        (changed("Sec-WebSocket-Key", "Sec-WebSocket-Key: short"), 400),
        (changed("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400),
        (changed("Host", "Host: a\r\nbroken line"), 400),
        (changed("Host", "Host: a\r\nX\u{1}: y"), 400),
        (changed("Host", &long), 431),
        (changed("Host", &many), 431),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 426),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("G".repeat(WEBSOCKET_REQUEST_BYTES_MAX + 1), 431),
    ];
    for (request, status) in cases {
        let shown = &request[..request.len().min(300)];
        let mut server = plain_server(Beginning::default());
        let then = server.receive(request.as_bytes());
        let answer = String::from_utf8(server.flush()).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
        if status == 101 {
            assert!(matches!(then, Then::More), "{shown}");
            let offers = request.contains("Sec-WebSocket-Protocol: ");
            assert_eq!(answer.contains("Sec-WebSocket-Protocol: mqtt"), offers, "{shown}");
            continue;
        }
        let Then::Refused(refusal) = then else { panic!("{shown}: {then:?}") };
        let says = refusal.to_string();
        assert!(says.starts_with(&format!("HTTP request answered with {status}: ")), "{says}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a header");
        assert!(head.contains("close"), "{head}");
        assert_eq!(body.is_empty(), request.starts_with("HEAD"), "{shown}");
        assert!(body.is_empty() || body.contains("MQTT broker"), "{body}");
        assert!(body.is_empty() || head.contains(&format!("Content-Length: {}", body.len())));
        assert!(matches!(server.receive(b"\x82\x80abcd"), Then::End), "it is not looked at");
        assert!(server.send(batch(&[b"plain"]), true).is_empty(), "nothing follows an answer");
    }
}

// Pages from elsewhere may not connect at a local listener; a listener may accept MQTT only.
#[test]
fn listeners_refuse() {
    let setup = Arc::new(WebSocketSetup::default());
    for (accepts, is_local, origin, status) in [
        (Accepts::Both, true, "http://localhost:8000", 101),
        (Accepts::WebSocket, true, "http://localhost:8000", 101),
        (Accepts::Both, true, "https://evil.example", 403),
        (Accepts::Both, true, "null", 403),
        (Accepts::Both, false, "https://evil.example", 101),
        (Accepts::Mqtt, false, "https://good.example", 403),
    ] {
        let mut server = plain_server(Beginning { accepts, is_local, setup: setup.clone() });
        let request = changed("Host", &format!("Host: a\r\nOrigin: {origin}"));
        let then = server.receive(request.as_bytes());
        let answer = String::from_utf8(server.flush()).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{origin}: {answer}");
        if let Then::Refused(refusal) = then
            && accepts == Accepts::Both
        {
            assert!(refusal.to_string().contains(origin), "{refusal}");
            assert!(!answer.contains(origin), "nothing of a request is repeated: {answer}");
        }
    }
}

/// Data in all kinds of frames, with control frames between them, and the application bytes.
fn traffic() -> (Vec<u8>, Vec<u8>) {
    let mut wire = Vec::new();
    let mut plain = Vec::new();
    for size in [1, 2, 0, 74, 125, 126, 127, 200, 65_535, 65_536, 3] {
        let payload = pattern(size);
        wire.extend(masked(0x82, &payload));
        plain.extend(payload);
        wire.extend(masked(0x89, b"ping"));
    }
    // Fragments, with a ping within the message.
    for (first, payload) in
        [(0x02, &b"one"[..]), (0x00, b""), (0x00, b"two"), (0x89, b"x"), (0x8a, b""), (0x80, b"3")]
    {
        wire.extend(masked(first, payload));
        if first & 0xf < 8 {
            plain.extend_from_slice(payload);
        }
    }
    (wire, plain)
}

// Application bytes are the same in whatever pieces frames come.
#[test]
fn frames_in_pieces() {
    let (wire, plain) = traffic();
    for piece in [1, 2, 3, 5, 7, 13, 14, 64, 1000, 16 * 1024, wire.len()] {
        let mut server = opened();
        for part in wire.chunks(piece) {
            assert!(matches!(server.receive(part), Then::More), "{piece}");
        }
        assert!(server.plain == plain, "{piece}");
        assert_eq!(server.flush(), unmasked(0x8a, b"x"), "the last ping alone is answered");
    }
    // Every cut of bytes that contain each kind of header.
    let short = [masked(0x02, &pattern(3)), masked(0x89, b"x"), masked(0x00, &pattern(300))];
    let wire = [short.concat(), masked(0x80, &[9; 126]), masked(0x82, &[8; 7])].concat();
    let plain = [pattern(3), pattern(300), vec![9; 126], vec![8; 7]].concat();
    for first in 0..wire.len() {
        for second in [first, (first + 1).min(wire.len()), (first + 9).min(wire.len())] {
            let mut server = opened();
            for part in [&wire[..first], &wire[first..second], &wire[second..]] {
                assert!(matches!(server.receive(part), Then::More), "{first} {second}");
            }
            assert!(server.plain == plain, "{first} {second}");
        }
    }
}

// The payload of a frame of any length is passed on as it comes, and no part of it is kept.
#[test]
fn endless_frames() {
    let mut server = opened();
    let mut header = vec![0x82, 0xff];
    header.extend((u64::MAX >> 1).to_be_bytes());
    header.extend([0; 4]);
    assert!(matches!(server.receive(&header), Then::More));
    for _ in 0..100 {
        assert!(matches!(server.receive(&pattern(1000)), Then::More));
    }
    assert_eq!(server.plain.len(), 100_000);
}

// Each broken rule has its Close code, after the bytes before it were passed on.
#[test]
fn broken_rules() {
    use WebSocketFault as F;
    let long = pattern(WEBSOCKET_CONTROL_BYTES_MAX + 1);
    let tampered = |frame: Vec<u8>, at: usize, bits: u8| {
        let mut frame = frame;
        frame[at] ^= bits;
        frame
    };
    let text = |code: u16, reason: &[u8]| masked(0x88, &[&code.to_be_bytes(), reason].concat());
    let cases = [
        (unmasked(0x82, b"data"), F::Unmasked, 1002),
        (masked(0xc2, b"rsv1"), F::Reserved, 1002),
        (masked(0xa2, b"rsv2"), F::Reserved, 1002),
        (masked(0x92, b"rsv3"), F::Reserved, 1002),
        (masked(0x83, b""), F::Reserved, 1002),
        (masked(0x8b, b""), F::Reserved, 1002),
        (masked(0x81, b"text"), F::Text, 1003),
        (masked(0x01, b"text"), F::Text, 1003),
        (masked(0x09, b"ping"), F::Control, 1002),
        (masked(0x08, b""), F::Control, 1002),
        (masked(0x89, &long), F::Control, 1002),
        (masked(0x88, &long), F::Control, 1002),
        (masked(0x80, b"nothing to go on with"), F::Sequence, 1002),
        ([masked(0x02, b""), masked(0x82, b"")].concat(), F::Sequence, 1002),
        (tampered(masked(0x82, &pattern(65_536)), 2, 0x80), F::Length, 1002),
        (masked(0x88, b"x"), F::CloseCode, 1002),
        (text(0, b""), F::CloseCode, 1002),
        (text(999, b""), F::CloseCode, 1002),
        (text(1004, b""), F::CloseCode, 1002),
        (text(1005, b""), F::CloseCode, 1002),
        (text(1006, b""), F::CloseCode, 1002),
        (text(1015, b""), F::CloseCode, 1002),
        (text(2999, b""), F::CloseCode, 1002),
        (text(5000, b""), F::CloseCode, 1002),
        (text(1000, b"\xff"), F::CloseText, 1007),
    ];
    for (wire, fault, code) in cases {
        let mut server = opened();
        let then = server.receive(&[masked(0x82, b"before"), wire.clone()].concat());
        assert!(matches!(&then, Then::WebSocket(it) if *it == fault), "{wire:02x?}: {then:?}");
        assert_eq!(server.plain, b"before");
        assert!(matches!(server.receive(&masked(0x82, b"behind")), Then::End));
        let said = end(&mut server, batch(&[b"rest"]));
        assert_eq!(said, [unmasked(0x82, b"rest"), close_frame(code)].concat(), "{fault:?}");
        assert_eq!(server.plain, b"before", "nothing behind a fault is handed on");
    }
}

// A client's Close frame is answered with its code, after the frames that still waited.
#[test]
fn closes() {
    for (frame, code) in [
        (masked(0x88, b""), 1000),
        (masked(0x88, &1001_u16.to_be_bytes()), 1001),
        (masked(0x88, &[&1003_u16.to_be_bytes()[..], "Schluß".as_bytes()].concat()), 1003),
        (masked(0x88, &4999_u16.to_be_bytes()), 4999),
    ] {
        let mut server = opened();
        let wire = [masked(0x82, b"last"), frame, masked(0x82, b"behind")].concat();
        assert!(matches!(server.receive(&wire), Then::End));
        assert_eq!(server.plain, b"last");
        server.transport.note_closing(Closing::GoingAway);
        let said = end(&mut server, batch(&[b"rest"]));
        assert_eq!(said, [unmasked(0x82, b"rest"), close_frame(code)].concat());
        assert!(server.send(Batch::default(), true).is_empty(), "it is said once");
    }
    // And the broker's own, each with its reason.
    for (closing, code) in [
        (None, 1000),
        (Some(Closing::GoingAway), 1001),
        (Some(Closing::ProtocolError), 1002),
        (Some(Closing::TooBig), 1009),
    ] {
        let mut server = opened();
        closing.into_iter().for_each(|closing| server.transport.note_closing(closing));
        assert_eq!(flat(&server.send(Batch::default(), true)), close_frame(code));
    }
}

// A flood of pings gets one answer, whatever comes between them, and none after the end.
#[test]
fn ping_floods() {
    let mut server = opened();
    for round in 0..10_000_u32 {
        server.receive(&masked(0x89, &round.to_be_bytes()));
    }
    let last = unmasked(0x8a, &9_999_u32.to_be_bytes());
    assert!(server.transport.has_output());
    assert_eq!(
        flat(&server.send(batch(&[b"data"]), false)),
        [last, unmasked(0x82, b"data")].concat()
    );
    assert_eq!(server.transport.on_sent(6 + 2 + 4), 4);
    assert!(!server.transport.has_output());
    server.receive(&[masked(0x89, b"late"), masked(0x88, b"")].concat());
    assert!(!server.transport.has_output(), "what is said at the end is said then");
    let said = end(&mut server, Batch::default());
    assert_eq!(said, [unmasked(0x8a, b"late"), close_frame(1000)].concat());
}

// One send is one frame, and its application bytes are counted, however the kernel takes it.
#[test]
fn one_frame_for_each_send() {
    for sizes in [&[1][..], &[125], &[126], &[60, 66], &[65_535], &[65_536], &[16_384; 20]] {
        let parts: Vec<Vec<u8>> = sizes.iter().map(|size| pattern(*size)).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        for step in [1, 3, 1000, usize::MAX] {
            let mut server = opened();
            server.receive(&masked(0x89, b"p"));
            let wire = flat(&server.send(batch(&slices), true));
            let frames = [unmasked(0x8a, b"p"), unmasked(0x82, &parts.concat())].concat();
            assert!(wire == [frames, close_frame(1000)].concat(), "{sizes:?}");
            let (mut left, mut counted) = (wire.len(), 0);
            while left > 0 {
                let gone = left.min(step);
                counted += server.transport.on_sent(gone);
                left -= gone;
            }
            assert_eq!(counted, parts.concat().len(), "{sizes:?} {step}");
        }
    }
}

// Random bytes and damaged frames only end the link, and keep no memory.
#[test]
fn mutants() {
    let (traffic, _) = traffic();
    let seed = 0x6455_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits fit")
    };
    for round in 0..3000 {
        let mut server = if round % 3 == 0 { plain_server(Beginning::default()) } else { opened() };
        let mut wire = [REQUEST.as_bytes(), &traffic[..2000]].concat();
        if round % 3 > 0 {
            wire.drain(..REQUEST.len());
        }
        for _ in 0..1 + random() % 3 {
            let at = random() % wire.len();
            wire[at] ^= 1 << (random() % 8);
        }
        for part in wire.chunks(1 + random() % 700) {
            let then = server.receive(part);
            assert!(server.plain.len() <= wire.len(), "round {round}");
            assert!(server.flush().len() <= 1024, "round {round}");
            if !matches!(then, Then::More) {
                assert!(server.send(Batch::default(), true).bytes() <= 131, "round {round}");
                break;
            }
        }
    }
}

// Over TLS it is the same, with output larger than one send, and both sides close in order.
#[test]
fn over_tls() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        client.write(REQUEST.as_bytes());
        assert!(matches!(server.receive(&client.wire()), Then::More));
        assert_eq!(client.read(&server.flush()), ANSWER.as_bytes());
        assert!(server.transport.is_sealed() && server.transport.is_websocket());
        let (wire, plain) = traffic();
        client.write(&wire);
        for part in client.wire().chunks(4000) {
            assert!(matches!(server.receive(part), Then::More));
        }
        assert!(server.plain == plain);
        assert_eq!(client.read(&server.flush()), unmasked(0x8a, b"x"));
        let parts: Vec<Vec<u8>> = (0..40).map(|_| pattern(16_384)).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let (mut came, mut counted, mut next) = (Vec::new(), 0, batch(&slices));
        for _ in 0..10 {
            let last = !server.transport.is_full() && next.is_empty();
            let sealed = server.send(std::mem::take(&mut next), last);
            if sealed.is_empty() {
                break;
            }
            // A ping during a frame is answered after the frame.
            client.write(&masked(0x89, b"within"));
            server.receive(&client.wire());
            counted += server.transport.on_sent(sealed.bytes());
            came.extend(client.read(&flat(&sealed)));
        }
        assert_eq!(counted, 40 * 16_384);
        let expected = [unmasked(0x82, &parts.concat()), unmasked(0x8a, b"within")].concat();
        assert!(came.starts_with(&expected), "{version:?}");
        assert!(came.ends_with(&close_frame(1000)));
    }
}
