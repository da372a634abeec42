//! TLS to Kafka: in front of each mock broker, which has none, is a server of the test's own that
//! has, and that names itself in the brokers' answers. It needs the feature `kafka-tls`.

use std::fs::File;
use std::io::BufReader;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener as Listener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::harness::{Authority, Bridge, Broker, Client, Kafka};

/// The address of all, which is in answers with the port behind it.
const HOST: &[u8] = b"127.0.0.1";

fn tls(authority: &Authority) -> TlsAcceptor {
    let (certificate, key) = authority.issue_for("server", "127.0.0.1");
    let file = BufReader::new(File::open(certificate).expect("is there"));
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_reader_iter(file).collect();
    let key = PrivateKeyDer::from_pem_file(key).expect("is a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("they are there")
        .with_no_client_auth()
        .with_single_cert(chain.expect("is PEM"), key);
    TlsAcceptor::from(Arc::new(config.expect("they belong together")))
}

/// Ports of brokers with those in front of them.
type Ports = Vec<(u16, u16)>;

/// Puts the ports in front into an answer.
fn put_ports(answer: &mut [u8], ports: &Ports) {
    let mut at = 0;
    while at + HOST.len() + 4 <= answer.len() {
        if answer[at..].starts_with(HOST) {
            let port = &mut answer[at + HOST.len()..at + HOST.len() + 4];
            for (behind, front) in ports {
                if *port == u32::from(*behind).to_be_bytes() {
                    port.copy_from_slice(&u32::from(*front).to_be_bytes());
                    break;
                }
            }
        }
        at += 1;
    }
}

/// Passes on what a client and a broker say; ends with either.
async fn pass_on(client: TcpStream, acceptor: TlsAcceptor, behind: u16, ports: Arc<Ports>) {
    let Ok(client) = acceptor.accept(client).await else { return };
    let Ok(broker) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
    let (mut from_client, mut to_client) = split(client);
    let (mut from_broker, mut to_broker) = split(broker);
    let answers = async {
        while let Ok(length) = from_broker.read_u32().await {
            let mut answer = vec![0; length as usize];
            if from_broker.read_exact(&mut answer).await.is_err() {
                return;
            }
            put_ports(&mut answer, &ports);
            let whole = [&length.to_be_bytes()[..], &answer].concat();
            if to_client.write_all(&whole).await.is_err() || to_client.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = copy(&mut from_client, &mut to_broker) => {}
    }
}

/// Starts a server in front of each of the brokers; theirs and its ports.
fn in_front(authority: &Authority, cluster: &Kafka) -> Ports {
    let ports = |servers: String| -> Vec<u16> {
        let servers = servers.split(", ");
        let port = |server: &str| server.trim_matches('"').rsplit(':').next()?.parse().ok();
        servers.map(|server| port(server).expect("has a port")).collect()
    };
    let behind = ports(cluster.servers());
    let listeners: Vec<TcpListener> =
        behind.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("is free")).collect();
    let front = listeners.iter().map(|it| it.local_addr().expect("is bound").port());
    let ports: Ports = behind.into_iter().zip(front).collect();
    let (acceptor, all) = (tls(authority), Arc::new(ports.clone()));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for (listener, (behind, _)) in listeners.into_iter().zip(all.iter().copied()) {
                listener.set_nonblocking(true).expect("is set");
                let listener = Listener::from_std(listener).expect("is bound");
                let (acceptor, all) = (acceptor.clone(), all.clone());
                tokio::spawn(async move {
                    while let Ok((client, _)) = listener.accept().await {
                        tokio::spawn(pass_on(client, acceptor.clone(), behind, all.clone()));
                    }
                });
            }
            std::future::pending::<()>().await;
        });
    });
    ports
}

// Brokers are reached with TLS, and only if an authority that is trusted has signed for them.
#[test]
fn brokers_with_certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (home, cluster) = (Broker::start(), Kafka::start());
    cluster.make_topic("t");
    let ports = in_front(&authority, &cluster);
    let config = |authority: &Authority| {
        format!(
            "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"k\"\nfilters = [\"m/#\"]\n[sink.kafka]\n\
             servers = [\"127.0.0.1:{}\"]\ntopic = \"t\"\ntls = true\nca_file = \"{}\"\n",
            home.url(),
            ports[0].1,
            authority.file().display()
        )
    };
    let bridge = Bridge::start(&config(&other));
    bridge.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/a", "1");
    let line = bridge.process.wait_for_line("tries again until it succeeds");
    assert!(line.contains("certificate"), "{line}");
    drop(bridge);
    let bridge = Bridge::start(&config(&authority));
    bridge.expect_metric("delivered_total", "k", |count| count == 1.0);
    assert_eq!(cluster.read("t", |_| true)[0].payload, "1");
}
