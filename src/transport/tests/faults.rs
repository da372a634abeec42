//! Peers that break the rules, and the alerts that they get.

use super::*;

// Bytes that are not TLS end the link, and the peer gets an alert.
#[test]
fn garbage_is_answered_with_an_alert() {
    let setup = Authority::new().setup(Identity::None);
    let cases: [&[u8]; 6] = [
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
        // A ClientHello that ends early; a record larger than records are.
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
        b"\x16\x03\x01\xff\xff\x01\x00\x00\x01\x03",
    ];
    for case in cases {
        let mut server = Server::new(&setup);
        let then = server.receive(case);
        assert!(matches!(then, Then::Fault(_)), "{case:02x?}");
        assert!(server.plain.is_empty());
        let wire = server.flush();
        assert_eq!(wire[0], 21, "an alert: {case:02x?}");
        assert!(server.send(batch(&[b"plain"]), true).is_empty(), "nothing is said in the clear");
        assert!(matches!(server.receive(b"more"), Then::End), "it is not looked at");
    }
}

// Random bytes and damaged handshakes only end the link.
#[test]
fn mutants_end_the_link() {
    let authority = Authority::new();
    let setup = authority.setup(Identity::None);
    let seed = 0x7115_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits fit")
    };
    for round in 0..300 {
        let (mut server, mut client) =
            (Server::new(&setup), authority.client(VERSIONS[round % 2], None));
        client.write(b"never seen, or seen whole");
        for _ in 0..3 {
            let mut wire = client.wire();
            if !wire.is_empty() && random() % 2 == 0 {
                let at = random() % wire.len();
                wire[at] ^= 1 << (random() % 8);
            }
            let then = server.receive(&wire);
            let answer = server.flush();
            if !matches!(then, Then::More) || client.tls.read_tls(&mut &answer[..]).is_err() {
                break;
            }
            if client.tls.process_new_packets().is_err() {
                break;
            }
        }
        let plain = server.plain.as_slice();
        assert!(plain.is_empty() || plain == b"never seen, or seen whole", "round {round}");
    }
}

// A damaged record ends the link; records before it are delivered, none after it.
#[test]
fn damaged_records_deliver_nothing() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        client.write(b"before");
        let mut wire = client.wire();
        let damaged_at = wire.len() + 10;
        client.write(b"damaged");
        wire.extend(client.wire());
        client.write(b"behind");
        wire.extend(client.wire());
        wire[damaged_at] ^= 1;
        assert!(matches!(server.receive(&wire), Then::Fault(_)));
        assert_eq!(server.plain, b"before", "{version:?}");
        assert!(!server.flush().is_empty(), "an alert");
    }
}

// An incomplete record delivers no bytes.
#[test]
fn truncated_records_deliver_nothing() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(version);
        client.write(&pattern(1000));
        let wire = client.wire();
        assert!(matches!(server.receive(&wire[..wire.len() - 1]), Then::More));
        assert!(server.plain.is_empty());
        assert!(matches!(server.receive(&wire[wire.len() - 1..]), Then::More));
        assert_eq!(server.plain, pattern(1000));
    }
}

// An endless handshake message takes no memory beyond its bound.
#[test]
fn endless_messages_are_cut_off() {
    let setup = Authority::new().setup(Identity::None);
    let mut server = Server::new(&setup);
    // A ClientHello of 65,535 bytes, in records of 1,024.
    let mut record = vec![22, 3, 1, 4, 0];
    record.extend([0; 1024]);
    let mut first = record.clone();
    first[5..9].copy_from_slice(&[1, 0, 0xff, 0xff]);
    let mut sent = first.len();
    let mut then = server.receive(&first);
    while matches!(then, Then::More) {
        sent += record.len();
        assert!(sent < 32 * 1024, "18 KiB and what came last");
        then = server.receive(&record);
    }
    assert!(matches!(then, Then::Fault(_)));
}

// A client with a version or a protocol that is not offered gets the matching alert.
#[test]
fn who_cannot_agree_is_told() {
    let authority = Authority::new();
    let mut setup = authority.setup(Identity::None);
    let server = Arc::get_mut(&mut setup.server).expect("nobody shares it yet");
    server.alpn_protocols = vec![b"mqtt".to_vec()];
    for (protocols, agreed) in
        [(vec![], true), (vec![b"mqtt".to_vec()], true), (vec![b"h2".to_vec()], false)]
    {
        for version in VERSIONS {
            let mut config = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .expect("the provider has both")
                .with_root_certificates(authority.roots())
                .with_no_client_auth();
            config.alpn_protocols.clone_from(&protocols);
            let mut client = Client::new(&Arc::new(config));
            let then = converse(&mut client, &mut Server::new(&setup));
            assert_eq!(matches!(then, Then::More), agreed, "{protocols:?} {version:?}");
        }
    }
}
