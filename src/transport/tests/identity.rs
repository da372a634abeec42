//! The user name in a client certificate.

use rustls::pki_types::pem::PemObject;

use super::*;

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("a name"))
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("a name"))
}

fn mail(name: &str) -> SanType {
    SanType::Rfc822Name(name.try_into().expect("a name"))
}

// The name is in the field that the flag names. A certificate without a valid user name there is
// refused; its client does not connect without a name.
#[test]
fn names_are_where_the_flag_says() {
    use Identity::{AlternativeName as San, CommonName as Cn, None as Nowhere};
    let ip = SanType::IpAddress([127, 0, 0, 1].into());
    let long = "n".repeat(crate::limits::CERTIFIED_NAME_BYTES_MAX + 1);
    let cases = [
        (Cn, "plant-7", vec![dns("a.example")], Some("plant-7")),
        (Cn, "Wärmepumpe", vec![], Some("Wärmepumpe")),
        (Cn, "", vec![dns("a.example")], None),
        (Cn, "a\0b", vec![], None),
        (Cn, &long, vec![], None),
        (San, "plant-7", vec![dns("a.example"), mail("b@c.example")], Some("a.example")),
        (San, "plant-7", vec![ip.clone(), uri("urn:d:7"), dns("a.example")], Some("urn:d:7")),
        (San, "plant-7", vec![mail("b@c.example")], Some("b@c.example")),
        (San, "plant-7", vec![ip], None),
        (San, "plant-7", vec![], None),
        (Nowhere, "plant-7", vec![dns("a.example")], None),
    ];
    let authority = Authority::new();
    for (identity, common_name, names, expected) in cases {
        for version in VERSIONS {
            let own = authority.issue(common_name, names.clone());
            let mut server = Server::new(&authority.setup(identity));
            let mut client = authority.client(version, Some(own));
            let then = converse(&mut client, &mut server);
            let what = format!("{identity:?} of {common_name} {names:?}");
            if identity != Nowhere && expected.is_none() {
                let Then::Fault(fault) = then else { panic!("{what}: {then:?}") };
                let (flag, text) = (if identity == Cn { "cn" } else { "san" }, fault.to_string());
                assert!(fault.is_certificate() && text.contains("has no "), "{what}: {text}");
                assert!(text.contains(&format!("--tls-identity {flag}")), "{what}: {text}");
                continue;
            }
            assert!(matches!(then, Then::More), "{what}: {then:?}");
            assert!(server.transport.is_certified());
            assert_eq!(server.transport.certified_name(), expected, "{what}");
        }
    }
}

// A client without a certificate has no name; one with a certificate of another authority is
// refused.
#[test]
fn names_of_strangers() {
    let (authority, other) = (Authority::new(), Authority::new());
    let setup = authority.setup(Identity::CommonName);
    for version in VERSIONS {
        let mut server = Server::new(&setup);
        let mut client = authority.client(version, None);
        assert!(matches!(converse(&mut client, &mut server), Then::More));
        assert!(!server.transport.is_certified());
        assert_eq!(server.transport.certified_name(), None);

        let mut server = Server::new(&setup);
        let mut client = authority.client(version, Some(other.issue("intruder", Vec::new())));
        assert!(matches!(converse(&mut client, &mut server), Then::Fault(_)), "{version:?}");
        assert!(!server.transport.is_certified());
        assert_eq!(server.transport.certified_name(), None);
    }
}

// Of two common names the first counts, as in Mosquitto.
#[test]
fn first_of_two_names() {
    let file = include_bytes!("../../../tests/tls/files/two-names.pem");
    let certificate = CertificateDer::from_pem_slice(file).expect("is PEM");
    let name = crate::transport::identity::name_of(&certificate, Identity::CommonName);
    assert_eq!(name.as_deref(), Some("first"));
}

// A client that resumes with a ticket keeps its name.
#[test]
fn tickets_remember_names() {
    let authority = Authority::new();
    let setup = authority.setup(Identity::CommonName);
    for version in VERSIONS {
        let (chain, key) = authority.issue("plant-7", Vec::new());
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("the provider has both")
            .with_root_certificates(authority.roots())
            .with_client_auth_cert(chain, key)
            .expect("a pair");
        let config = Arc::new(config);
        for _ in 0..2 {
            let (mut client, mut server) = (Client::new(&config), Server::new(&setup));
            assert!(matches!(converse(&mut client, &mut server), Then::More));
            assert_eq!(server.transport.certified_name(), Some("plant-7"), "{version:?}");
        }
    }
}
