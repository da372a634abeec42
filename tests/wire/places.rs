//! The addresses of listeners: names and bare ports, and the errors for those that fail.

use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::common::{
    Broker, Client, DataDir, ReservedPort, connack, connect, publish, run_to_exit, run_under,
};

fn has_v6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The next addresses that it says it listens on.
fn addresses(broker: &Broker, count: usize) -> Vec<SocketAddr> {
    let address = |_| {
        let line = broker.wait_for_line("listening on ");
        let (_, address) = line.split_once("listening on ").expect("waited for it");
        address.trim().parse().expect("an address")
    };
    (0..count).map(address).collect()
}

#[track_caller]
fn expect_served(address: SocketAddr) {
    let mut client = Client::over(TcpStream::connect(address).expect("it listens"));
    client.send(&connect(format!("at {address}")).bytes());
    client.expect(&connack(false, 0));
}

// A name of a host or an interface, and a port alone, are listened on at all their addresses.
#[test]
fn names_and_ports() {
    let families = 1 + usize::from(has_v6());
    for (place, flags) in [
        ("localhost:0", &[][..]),
        ("lo:0", &[]),
        (":0", &["--allow-anonymous"]),
        ("0", &["--allow-anonymous"]),
    ] {
        let broker = Broker::start_with(2, &[&["--listen", place], flags].concat());
        for mut address in addresses(&broker, families) {
            if address.ip().is_unspecified() {
                let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
                address.set_ip(loopback.parse().expect("an address"));
            }
            expect_served(address);
        }
    }
}

// All addresses of IPv4 and all of IPv6 may be listened on beside each other, in any order.
#[test]
fn both_families() {
    if !has_v6() {
        println!("no IPv6 here");
        return;
    }
    for flipped in [false, true] {
        let reserved = ReservedPort::new();
        let port = reserved.number();
        let mut places = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
        if flipped {
            places.reverse();
        }
        let flags = ["--listen", &places[0], "--listen", &places[1], "--allow-anonymous"];
        let broker = Broker::start_with(2, &flags);
        addresses(&broker, 2);
        for address in ["127.0.0.1", "::1"] {
            let address = address.parse().expect("an address");
            expect_served(SocketAddr::new(address, port));
        }
    }
}

// The error for an address that cannot be used names its flag and a remedy.
#[test]
fn refusals() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = (taken.local_addr().expect("it is bound").to_string(), taken);
    for (flags, code, parts) in [
        (&["--listen", ":1883"][..], 1, &["--listen :1883 means all addresses", "--passwords"][..]),
        (&["--listen", "1883"], 1, &["means all addresses", "127.0.0.1:1883 would be for this"]),
        (&["--listen", ":1883,proxy", "--proxy-trust=::1"], 1, &["through its proxy"]),
        (&["--listen", "192.0.2.1:0", "--allow-anonymous"], 1, &["does not have the address"]),
        (&["--listen", "nowhere.invalid:1"], 1, &["--listen nowhere.invalid:1", "ip address"]),
        (
            &["--listen", "127.0.0.1:1883", "--listen", "localhost:1883"],
            1,
            &["127.0.0.1:1883 for --listen localhost:1883", "leave one of them out"],
        ),
        (&["--listen", &taken.0], 1, &["the address is in use", "--listen"]),
        (&["--listen", "localhost"], 2, &["--listen", "the port is missing", "localhost:1883"]),
        (&["--tls-cert", "c", "--tls-key", "k"], 2, &["--tls-cert", "add --tls-listen"]),
        (&["--default-vhost", "a"], 2, &["--default-vhost", "add --vhosts DIR"]),
        (&["--passwords", "nope"], 1, &["--passwords nope: there is no such file"]),
        (&["--acl", "nope"], 1, &["--acl nope: there is no such file"]),
        (&["--vhosts", "nope"], 1, &["--vhosts nope: there is no such directory"]),
    ] {
        let default = ["--listen", "127.0.0.1:0"];
        let listens = flags.contains(&"--listen");
        let all = [flags, if listens { &[] } else { &default }, &["--no-pin"]].concat();
        let (ended, said) = run_to_exit(&all);
        assert_eq!(ended, Some(code), "{flags:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{flags:?}, due {parts:?}: {said}");
    }
}

// A broker that may not open enough files to run says so, and which limit to raise.
#[test]
fn too_few_files() {
    for files in [10, 16, 24, 50] {
        let data = DataDir::fresh();
        let data = data.path().to_str().expect("it is text");
        let flags = ["--listen", "127.0.0.1:0", "--shards", "2", "--no-pin", "--data-dir", data];
        let (code, said) = run_under(&format!("ulimit -n {files}"), &flags);
        assert_eq!(code, Some(1), "{said}");
        for part in [&*format!("may have {files} files open"), "ulimit -n N", "LimitNOFILE=N"] {
            assert!(said.contains(part), "{files}: {part:?} is not in: {said}");
        }
    }
}

/// A broker that may open this many files, and its address.
fn start_under(files: u32, data: &DataDir) -> (Child, SocketAddr) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_ringmq"));
    data.add_flags(&mut shell, &[""; 0]);
    shell.args(["--listen", "127.0.0.1:0", "--shards", "1", "--no-pin"]);
    let mut child = shell.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let line = lines.find_map(|line| {
        let line = line.expect("it is text");
        line.split_once("listening on ").map(|(_, address)| address.trim().to_owned())
    });
    // The log must still be read, or the broker would find the pipe closed.
    thread::spawn(move || lines.for_each(drop));
    (child, line.expect("it listens").parse().expect("an address"))
}

// Clients never take the descriptors that the log needs: a client too many is refused with a
// reason.
#[test]
fn clients_leave_the_log_its_files() {
    let data = DataDir::fresh();
    let (mut child, address) = start_under(80, &data);
    let open = || Client::over(TcpStream::connect(address).expect("it listens"));
    let mut sleeper = open();
    sleeper.send(&connect("sleeper").persistent().bytes());
    sleeper.expect(&connack(false, 0));
    sleeper.subscribe("t", 1);
    let mut publisher = open();
    publisher.send(&connect("publisher").bytes());
    publisher.expect(&connack(false, 0));
    let codes: Vec<(Client, u8)> = (0..100)
        .map(|n| {
            let mut client = open();
            client.send(&connect(format!("idle {n}")).bytes());
            let code = client.read_packet()[3];
            (client, code)
        })
        .collect();
    let let_in = codes.iter().filter(|(_, code)| *code == 0).count();
    assert!((10..60).contains(&let_in), "{let_in} of 100");
    assert!(codes.iter().all(|(_, code)| [0, 3].contains(code)));
    sleeper.leave();
    // Several files of the log.
    for n in 1..=40 {
        publisher.publish(&publish("t", vec![b'x'; 200_000]).qos1(n));
    }
    child.kill().expect("it runs");
    child.wait().expect("it is our child");
}
