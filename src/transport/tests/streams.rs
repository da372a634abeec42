//! Application bytes arrive unchanged, however the wire bytes are cut.

use super::*;
use crate::limits::SEND_CHUNKS_MAX;

// However the client's bytes are cut in two, handshake included, the same application bytes come
// out, and the handshake ends.
#[test]
fn every_split_is_the_same() {
    let authority = Authority::new();
    let setup = authority.setup(Identity::None);
    for version in VERSIONS {
        let (mut at, mut sent) = (0, usize::MAX);
        while at <= sent {
            let mut server = Server::new(&setup);
            let mut client = authority.client(version, None);
            client.write(b"first");
            sent = 0;
            while server.plain != b"first" {
                let wire = client.wire();
                let cut = at.clamp(sent, sent + wire.len()) - sent;
                sent += wire.len();
                for piece in [&wire[..cut], &wire[cut..]] {
                    assert!(matches!(server.receive(piece), Then::More), "split at {at}");
                }
                let answer = server.flush();
                client.read(&answer);
            }
            assert!(!server.transport.is_handshaking());
            at += 1;
        }
    }
}

// Bytes that come one by one give the same result as all at once.
#[test]
fn byte_by_byte() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        client.write(&pattern(40_000));
        for byte in client.wire() {
            assert!(matches!(server.receive(&[byte]), Then::More));
        }
        assert_eq!(server.plain, pattern(40_000), "{version:?}");
    }
}

// Records of all sizes are opened, also several and a part of one in one piece.
#[test]
fn records_of_all_sizes() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        let mut expected = Vec::new();
        for bytes in [1, 2, 255, 256, 16_383, 16_384, 16_385, 50_000] {
            client.write(&pattern(bytes));
            expected.extend(pattern(bytes));
        }
        for piece in client.wire().chunks(16 * 1024) {
            assert!(matches!(server.receive(piece), Then::More));
        }
        assert_eq!(server.plain, expected, "{version:?}");
    }
}

// Waiting bytes are sent completely and in order, in full records, and every byte is counted,
// whichever parts of a send the kernel takes.
#[test]
fn sealed_whole_and_counted() {
    let large = pattern(16 * 1024);
    let cases: [&[&[u8]]; 6] = [
        &[b"x"],
        &[b"one", b"two", b"three"],
        &[&large],
        &[b"small", &large, &large, b"small"],
        &[&pattern(300_000)],
        &[&pattern(16_255), b"y", &pattern(16_256), b"z", &pattern(16_257)],
    ];
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        for case in cases {
            let expected = case.concat();
            let (mut got, mut counted, mut records) = (Vec::new(), 0, 0);
            let mut plain = batch(case);
            loop {
                let sealed = server.send(std::mem::take(&mut plain), false);
                assert!(sealed.len() <= SEND_CHUNKS_MAX);
                records += sealed.len();
                got.extend(client.read(&flat(&sealed)));
                let mut left = sealed.bytes();
                while left > 0 {
                    let part = left.min(1 + left / 3);
                    counted += server.transport.on_sent(part);
                    assert!(counted <= got.len(), "no more is gone than was sealed");
                    left -= part;
                }
                assert_eq!(counted, got.len(), "a whole send is counted whole");
                if !server.transport.has_output() {
                    break;
                }
            }
            assert!(got == expected, "{} bytes in {} parts", expected.len(), case.len());
            assert_eq!(records, expected.len().div_ceil(16 * 1024 - 128), "as few as possible");
        }
    }
}

// The peer's close_notify is the end, also after bytes; ours is the last record, sent once.
#[test]
fn both_say_goodbye() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        client.write(b"last words");
        client.tls.send_close_notify();
        let wire = client.wire();
        assert!(matches!(server.receive(&wire), Then::End));
        assert_eq!(server.plain, b"last words");
        let sealed = server.send(batch(&[b"answer"]), true);
        let wire = flat(&sealed);
        server.transport.on_sent(sealed.bytes());
        assert!(server.send(batch(&[b"more"]), true).is_empty(), "it is over");
        client.tls.read_tls(&mut wire.as_slice()).expect("memory");
        let state = client.tls.process_new_packets().expect("the server keeps the rules");
        assert!(state.peer_has_closed());
        assert_eq!(state.plaintext_bytes_to_read(), 6);
    }
}

// Kept bytes are opened later as if they had come then, also after the transport has moved.
#[test]
fn kept_bytes_are_opened_later() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let authority = Authority::new();
    let setup = authority.setup(Identity::None);
    for version in VERSIONS {
        let mut server = Server::new(&setup);
        let mut client = authority.client(version, None);
        client.write(b"hello");
        while server.plain.is_empty() {
            server.transport.keep(&client.wire());
            server.transport = is_send(server.transport);
            assert!(matches!(server.receive(b""), Then::More));
            let answer = server.flush();
            client.read(&answer);
        }
        assert_eq!(server.plain, b"hello");
    }
}

// A client resumes with its ticket, also at another transport of the same setup.
#[test]
fn tickets_are_taken_everywhere() {
    let authority = Authority::new();
    let setup = authority.setup(Identity::None);
    for version in VERSIONS {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("the provider has both")
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        let config = Arc::new(config);
        let kinds = [false, true, true].map(|resumed| {
            let (mut client, mut server) = (Client::new(&config), Server::new(&setup));
            assert!(matches!(converse(&mut client, &mut server), Then::More));
            (client.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)) == resumed
        });
        assert_eq!(kinds, [true; 3], "{version:?}");
    }
}
