//! Flags: defaults, fields, bounds, texts.

use super::listeners::*;
use super::values::*;
use super::*;
use clap::CommandFactory;
use clap::error::ErrorKind;

mod bounds;
mod values;

/// A gathering time has a unit and is a whole number.
#[test]
fn times_to_gather_have_units() {
    for (text, us) in [("0", 0), ("0us", 0), ("1us", 1), ("10ms", 10_000), ("10000us", 10_000)] {
        assert_eq!(parse_gather_us(text), Ok(us), "{text}");
    }
    for text in ["", "200", "us", "0.5ms", "-1us", "1 us", "11ms", "10001us", "1h"] {
        let error = parse_gather_us(text).expect_err(text);
        assert!(error.contains("0 to 10ms") && error.contains("as in 500us"), "{error}");
    }
}

fn other_groups() -> GroupOptions {
    GroupOptions { order: GroupOrder::Sticky, bytes_max: 1 << 20, expiry_ms: 60_000 }
}

/// The options that `flags` give, or the text a user would read.
fn options(flags: &[&str]) -> Result<Options, String> {
    let args = ["ringmq"].iter().chain(flags);
    Options::from_args(args).map_err(|error| error.to_string())
}

fn tcp(text: &str) -> ListenRequest {
    let place = Place::Address(text.parse().expect("an address"));
    ListenRequest { place, proxy: false, accepts: Accepts::Both }
}

// The defaults of the empty command line are those of `limits`.
#[test]
fn defaults_are_the_limits() {
    Options::command().debug_assert();
    let expected = Options {
        listen: vec![tcp("127.0.0.1:1883")],
        websocket: WebSocketOptions::default(),
        listeners: ListenerOptions {
            unix_mode: 0o660,
            unix_owner: None,
            proxy_trust: Vec::new(),
            user: None,
        },
        access: Access {
            passwords: None,
            acl: None,
            vhosts: None,
            default_vhost: "/".to_owned(),
            allow_anonymous: false,
            auth_failures_max: limits::AUTH_FAILURES_DEFAULT,
            on_denied: OnDenied::Drop,
            takeover: Takeover::SameUser,
        },
        tls: TlsOptions::default(),
        connections_max: limits::CONNECTIONS_DEFAULT,
        packet_bytes_max: limits::PACKET_BYTES_DEFAULT,
        outgoing_bytes_max: limits::OUTGOING_BYTES_DEFAULT,
        qos0_patience_ms: limits::QOS0_PATIENCE_MS_DEFAULT,
        gather_us_max: limits::GATHER_US_DEFAULT,
        inflight_max: limits::INFLIGHT_DEFAULT,
        groups: GroupOptions::default(),
        v5: V5Options {
            topic_alias_max: limits::TOPIC_ALIASES_DEFAULT,
            keep_alive_s_max: 0,
            check_payload_format: Switch::Off,
        },
        abuse: AbuseOptions {
            address_connections_max: 0,
            address_connects_per_s: 0,
            client_publishes_per_s: 0,
            client_publish_bytes_per_s: 0,
            subscriptions_max: limits::SUBSCRIPTIONS_MAX,
            topic_levels_max: limits::TOPIC_LEVELS_DEFAULT,
        },
        shards: None,
        pin: true,
        ring: RingKind::Auto,
        data_dir: PathBuf::from("./ringmq-data"),
        durability: Durability::Disk,
        session_expiry: SessionExpiry::AfterMs(limits::SESSION_EXPIRY_MS_DEFAULT),
        session_bytes_max: None,
        session_overflow: SessionOverflow::DropOldest,
        session_limits: Vec::new(),
        retained_max: limits::RETAINED_TOTAL_DEFAULT,
        retained_bytes_max: limits::RETAINED_TOTAL_BYTES_DEFAULT,
        disk_low: None,
        segment_bytes: limits::SEGMENT_BYTES_DEFAULT,
        admin: AdminOptions {
            http_listen: None,
            http_tokens: None,
            system_interval: SystemInterval(10_000),
            watch_sessions: Vec::new(),
            http_cert: None,
            http_key: None,
            http_hosts: Vec::new(),
        },
        logging: LogOptions { filter: "info".to_owned(), format: None, connections: Switch::On },
        config: None,
    };
    assert_eq!(Options::default(), expected);
}

// Each flag sets its own field; --listen collects values and replaces the default.
#[test]
fn flags_set_their_fields() {
    let given = options(&[
        "--listen=[::1]:0",
        "--listen=0.0.0.0:1884",
        "--passwords=/etc/ringmq/passwords",
        "--acl=acl",
        "--vhosts=vhosts.d",
        "--default-vhost=plant 1",
        "--allow-anonymous",
        "--auth-failures-max=9",
        "--on-denied=disconnect",
        "--takeover=any",
        "--max-connections=7",
        "--max-packet-size=1KiB",
        "--max-outgoing-bytes=64KiB",
        "--qos0-patience=1s",
        "--gather-max=2ms",
        "--max-inflight=20",
        "--shards=3",
        "--no-pin",
        "--data-dir=/var/lib/ringmq",
        "--durability=os",
        "--session-expiry=0",
        "--session-max-bytes=3TiB",
        "--session-overflow=block",
        "--retained-max-count=5",
        "--retained-max-bytes=2MiB",
        "--disk-low=7%",
        "--log=warn,ringmq::ring=trace",
        "--log-format=json",
        "--log-connections=off",
        "--config=ringmq.toml",
    ]);
    let expected = Options {
        listen: vec![tcp("[::1]:0"), tcp("0.0.0.0:1884")],
        access: Access {
            passwords: Some(PathBuf::from("/etc/ringmq/passwords")),
            acl: Some(PathBuf::from("acl")),
            vhosts: Some(PathBuf::from("vhosts.d")),
            default_vhost: "plant 1".to_owned(),
            allow_anonymous: true,
            auth_failures_max: 9,
            on_denied: OnDenied::Disconnect,
            takeover: Takeover::Any,
        },
        config: Some(PathBuf::from("ringmq.toml")),
        tls: TlsOptions::default(),
        connections_max: 7,
        packet_bytes_max: 1024,
        outgoing_bytes_max: 64 * 1024,
        qos0_patience_ms: 1000,
        gather_us_max: 2000,
        inflight_max: 20,
        shards: NonZero::new(3),
        pin: false,
        data_dir: PathBuf::from("/var/lib/ringmq"),
        durability: Durability::Os,
        session_expiry: SessionExpiry::Never,
        session_bytes_max: Some(DiskShare::Bytes(3 << 40)),
        session_overflow: SessionOverflow::Block,
        retained_max: 5,
        retained_bytes_max: 2 << 20,
        disk_low: Some(DiskShare::Percent(7)),
        logging: LogOptions {
            filter: "warn,ringmq::ring=trace".to_owned(),
            format: Some(LogFormat::Json),
            connections: Switch::Off,
        },
        ..Options::default()
    };
    assert_eq!(given, Ok(expected));
}

// As above, for more of the flags of what is stored.
#[test]
fn flags_of_storage_set_their_fields() {
    let given = options(&["--session-limit=b-*,bytes=40%", "--segment-bytes=16MiB"]);
    let limit = parse_session_limit("b-*,bytes=40%").expect("is a limit");
    let expected =
        Options { session_limits: vec![limit], segment_bytes: 16 << 20, ..Options::default() };
    assert_eq!(given, Ok(expected));
}

// As above, for flags of listeners and limits of one address or client.
#[test]
fn flags_of_groups_set_their_fields() {
    let given = options(&[
        "--listen=0.0.0.0:1884,proxy",
        "--listen=unix:/run/ringmq/mqtt",
        "--unix-mode=600",
        "--unix-owner=mqtt:iot",
        "--proxy-trust=10.1.0.0/16",
        "--proxy-trust=fd00::1",
        "--user=mqtt",
        "--address-connections-max=9",
        "--address-connects-per-second=8",
        "--client-publish-rate=6",
        "--client-publish-bytes=5KiB",
        "--max-subscriptions=4",
        "--max-topic-levels=3",
        "--topic-alias-max=7",
        "--keep-alive-max=300",
        "--check-payload-format=on",
        "--http-listen=[::1]:80",
        "--http-tokens=tokens",
        "--sys-interval=1m",
        "--group-order=sticky",
        "--group-max-bytes=1MiB",
        "--group-expiry=1m",
        "--watch-session=plant/line-*",
    ]);
    let expected = Options {
        listen: vec![
            ListenRequest { proxy: true, ..tcp("0.0.0.0:1884") },
            ListenRequest { place: Place::Unix("/run/ringmq/mqtt".into()), ..tcp("0.0.0.0:1884") },
        ],
        listeners: ListenerOptions {
            unix_mode: 0o600,
            unix_owner: Some(Owner { user: Some("mqtt".into()), group: Some("iot".into()) }),
            proxy_trust: vec![
                Cidr { address: "10.1.0.0".parse().expect("an address"), bits: 16 },
                Cidr { address: "fd00::1".parse().expect("an address"), bits: 128 },
            ],
            user: Some("mqtt".to_owned()),
        },
        groups: other_groups(),
        v5: V5Options {
            topic_alias_max: 7,
            keep_alive_s_max: 300,
            check_payload_format: Switch::On,
        },
        abuse: AbuseOptions {
            address_connections_max: 9,
            address_connects_per_s: 8,
            client_publishes_per_s: 6,
            client_publish_bytes_per_s: 5 * 1024,
            subscriptions_max: 4,
            topic_levels_max: 3,
        },
        admin: AdminOptions {
            http_listen: Some(HttpListen::Address("[::1]:80".parse().expect("an address"))),
            http_tokens: Some(PathBuf::from("tokens")),
            system_interval: SystemInterval(60_000),
            watch_sessions: vec![watch::parse_watched("plant/line-*").expect("sessions")],
            ..Options::default().admin
        },
        ..Options::default()
    };
    assert_eq!(given, Ok(expected));
}

// A value within its bound is accepted.
#[test]
fn takes_the_edges() {
    for (flag, value) in [
        ("--shards", "1"),
        ("--shards", "64"),
        ("--max-inflight", "1"),
        ("--max-inflight", "65535"),
        ("--max-connections", "1"),
        ("--max-connections", "4294967295"),
        ("--max-packet-size", "64"),
        ("--max-packet-size", "268435460"),
        ("--max-outgoing-bytes", "512"),
        ("--max-outgoing-bytes", "1GiB"),
        ("--qos0-patience", "0"),
        ("--qos0-patience", "60s"),
        ("--gather-max", "0"),
        ("--gather-max", "1us"),
        ("--gather-max", "10ms"),
        ("--qos0-patience", "1m"),
        ("--listen", "127.0.0.1:65535"),
        ("--listen", "unix:/run/ringmq.sock,proxy"),
        ("--address-connections-max", "10000000"),
        ("--address-connects-per-second", "100000000"),
        ("--client-publish-rate", "100000000"),
        ("--client-publish-bytes", "1TiB"),
        ("--max-subscriptions", "1"),
        ("--max-subscriptions", "65536"),
        ("--max-topic-levels", "1"),
        ("--max-topic-levels", "65535"),
        ("--durability", "disk"),
        ("--session-expiry", "1ms"),
        ("--session-expiry", "3650d"),
        ("--session-max-bytes", "64KiB"),
        ("--session-max-bytes", "1%"),
        ("--session-max-bytes", "100%"),
        ("--session-max-bytes", "1024TiB"),
        ("--session-overflow", "drop-oldest"),
        ("--session-overflow", "drop-newest"),
        ("--retained-max-count", "1"),
        ("--retained-max-count", "4294967295"),
        ("--retained-max-bytes", "1MiB"),
        ("--retained-max-bytes", "1024TiB"),
        ("--disk-low", "0"),
        ("--disk-low", "1024TiB"),
        ("--disk-low", "0%"),
        ("--disk-low", "99%"),
        ("--segment-bytes", "1MiB"),
        ("--segment-bytes", "1GiB"),
    ] {
        let given = options(&[flag, value]);
        assert!(given.is_ok(), "{flag} {value}: {given:?}");
    }
}

// Each flag of TLS sets its own field.
#[test]
fn tls_flags_set_their_fields() {
    let given = options(&[
        "--tls-listen=[::]:8883",
        "--tls-listen=0.0.0.0:8884",
        "--tls-cert=server.pem",
        "--tls-key=server.key",
        "--tls-min=1.3",
        "--tls-sni=*.Example.com=a.pem,a.key",
        "--tls-sni=b.example.com=b.pem,b.key",
        "--tls-client-ca=ca.pem",
        "--tls-client=optional",
        "--tls-identity=san",
        "--tls-crl=one.pem",
        "--tls-crl=two.pem",
    ]);
    let name = |host: &str, cert: &str, key: &str| ServerName {
        host: host.to_owned(),
        cert: cert.into(),
        key: key.into(),
    };
    let expected = TlsOptions {
        listen: vec![tcp("[::]:8883"), tcp("0.0.0.0:8884")],
        cert: Some("server.pem".into()),
        key: Some("server.key".into()),
        min: TlsMin::V13,
        names: vec![
            name("*.example.com", "a.pem", "a.key"),
            name("b.example.com", "b.pem", "b.key"),
        ],
        client_ca: Some("ca.pem".into()),
        clients: TlsClients::Optional,
        identity: TlsIdentity::San,
        crls: vec!["one.pem".into(), "two.pem".into()],
    };
    assert_eq!(given.map(|options| options.tls), Ok(expected));
}

// TLS flags without effect are refused, and the message names the missing ones.
#[test]
fn tls_flags_need_each_other() {
    let listener = ["--tls-listen=127.0.0.1:0", "--tls-cert=c", "--tls-key=k"];
    assert!(options(&listener).is_ok());
    for (flags, names) in [
        (&["--tls-listen=127.0.0.1:0"][..], "--tls-cert"),
        (&["--tls-listen=127.0.0.1:0", "--tls-cert=c"], "--tls-key"),
        (&["--tls-cert=c"], "--tls-key"),
        (&["--tls-key=k"], "--tls-cert"),
        (&["--tls-sni=a.b=c,k"], "--tls-listen"),
        (&["--tls-client-ca=ca"], "--tls-listen"),
        (&[listener[0], listener[1], listener[2], "--tls-client=optional"], "--tls-client-ca"),
        (&[listener[0], listener[1], listener[2], "--tls-identity=cn"], "--tls-client-ca"),
        (&[listener[0], listener[1], listener[2], "--tls-crl=crl"], "--tls-client-ca"),
    ] {
        let text = options(flags).expect_err("something is missing");
        assert!(text.contains(names), "{flags:?}: {text}");
    }
}

// A value outside its bound is refused, and the message names the flag and what it accepts.
#[test]
fn refuses_what_is_out_of_bounds() {
    for (flag, value, takes) in [
        ("--shards", "0", "1 to 64"),
        ("--shards", "65", "1 to 64"),
        ("--shards", "two", "1 to 64"),
        ("--max-inflight", "1e3", "takes 1 to 65535, or 0 for no limit"),
        ("--max-inflight", "65536", "takes 1 to 65535, or 0 for no limit"),
        ("--default-vhost", "", "1 to 255 bytes"),
        ("--default-vhost", "a:b", "no colon"),
        ("--auth-failures-max", "many", "invalid digit"),
        ("--on-denied", "ignore", "drop, disconnect"),
        ("--takeover", "nobody", "same-user, any"),
        ("--max-connections", "+1", "takes 1 to 4294967295, or 0 for no limit"),
        ("--max-connections", "4294967296", "takes 1 to 4294967295, or 0 for no limit"),
        ("--max-packet-size", "63", "64 to 268435460 bytes"),
        ("--max-packet-size", "268435461", "64 to 268435460 bytes"),
        ("--max-packet-size", "", "64 to 268435460 bytes"),
        ("--max-outgoing-bytes", "511", "512 to 1073741824 bytes"),
        ("--max-outgoing-bytes", "2GiB", "512 to 1073741824 bytes"),
        ("--qos0-patience", "60001ms", "0 to 60s"),
        ("--qos0-patience", "20", "as in 20ms"),
        ("--gather-max", "10001us", "0 to 10ms"),
        ("--listen", "127.0.0.1", "as in 127.0.0.1:1883"),
        ("--listen", "127.0.0.1:65536", "as in 127.0.0.1:1883"),
        ("--listen", "localhost", "the port is missing"),
        ("--unix-mode", "0668", "octal mode"),
        ("--unix-owner", ":", "USER:GROUP"),
        ("--proxy-trust", "10.0.0.1/8", "10.0.0.0/8"),
        ("--address-connections-max", "10000001", "0..=10000000"),
        ("--address-connects-per-second", "100000001", "0..=100000000"),
        ("--client-publish-rate", "100000001", "0..=100000000"),
        ("--client-publish-bytes", "1025GiB", "0 to 1099511627776 bytes"),
        ("--max-subscriptions", "", "takes 1 to 65536, or 0 for no limit"),
        ("--max-subscriptions", "65537", "takes 1 to 65536, or 0 for no limit"),
        ("--max-topic-levels", "1.5", "or 0 for no limit"),
        ("--max-topic-levels", "65536", "takes 1 to 65535, or 0 for no limit"),
        ("--log", "inof", "LEVEL"),
        ("--durability", "none", "disk, os"),
        ("--durability", "", "disk, os"),
        ("--session-expiry", "3651d", "0 to 3650d"),
        ("--session-expiry", "315360000001ms", "0 to 3650d"),
        ("--session-expiry", "14", "with a unit (ms, s, m, h or d), as in 12h or 14d"),
        ("--session-expiry", "2w", "as in 12h or 14d"),
        ("--session-max-bytes", "65535", "65536 to 1125899906842624 bytes or 1% to 100%"),
        ("--session-max-bytes", "101%", "1% to 100%"),
        ("--session-max-bytes", "1GiB%", "as in 20GiB or 10%, or 0 for no limit"),
        ("--session-max-bytes", "1025TiB", "65536 to 1125899906842624 bytes"),
        ("--session-overflow", "drop", "drop-oldest, drop-newest, block"),
        ("--retained-max-count", "4294967296", "takes 1 to 4294967295, or 0 for no limit"),
        ("--retained-max-count", "many", "takes 1 to 4294967295"),
        ("--retained-max-bytes", "1048575", "1048576 to 1125899906842624 bytes"),
        ("--retained-max-bytes", "1025TiB", "1048576 to 1125899906842624 bytes"),
        ("--disk-low", "1025TiB", "0 to 1125899906842624 bytes or 0% to 99%"),
        ("--disk-low", "100%", "0% to 99%"),
        ("--disk-low", "256%", "0% to 99%"),
        ("--disk-low", "1GiB%", "as in 512MiB or 5%"),
        ("--disk-low", "%", "as in 512MiB or 5%"),
        ("--segment-bytes", "1048575", "1048576 to 1073741824 bytes"),
        ("--segment-bytes", "2GiB", "1048576 to 1073741824 bytes, as in 16777216, 16MiB or 1GiB"),
    ] {
        let text = options(&[flag, value]).expect_err("the value is out of bounds");
        assert!(text.contains(flag) && text.contains(takes), "{flag} {value}: {text}");
    }
}

// Likewise for the flags of TLS.
#[test]
fn refuses_malformed_tls_flags() {
    for (flag, value, takes) in [
        ("--tls-listen", "localhost", "the port is missing"),
        ("--tls-listen", "unix:/run/mqtt", "give it to --listen"),
        ("--tls-min", "1.1", "1.2, 1.3"),
        ("--tls-sni", "a.b", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "a.b=c", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "a.b=,k", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "a.b=c,", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "=c,k", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "*=c,k", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "a.*.b=c,k", "as in mqtt.example.com=cert.pem,key.pem"),
        ("--tls-sni", "a..b=c,k", "as in mqtt.example.com=cert.pem,key.pem"),
    ] {
        let text = options(&[flag, value]).expect_err("the value is malformed");
        assert!(text.contains(flag) && text.contains(takes), "{flag} {value}: {text}");
    }
}

// A listener behind a proxy needs the proxy's address; a Unix socket has its mode instead.
#[test]
fn proxies_must_be_trusted() {
    let error = options(&["--listen=127.0.0.1:0,proxy"]).expect_err("nobody is trusted");
    assert!(error.contains("127.0.0.1:0,proxy needs --proxy-trust"), "{error}");
    let tls = ["--tls-listen=127.0.0.1:0,proxy", "--tls-cert=c", "--tls-key=k"];
    let error = options(&tls).expect_err("nobody is trusted");
    assert!(error.contains("127.0.0.1:0,proxy needs --proxy-trust"), "{error}");
    assert!(options(&[&tls[..], &["--proxy-trust=::1"]].concat()).is_ok());
    for flags in [
        &["--listen=127.0.0.1:0,proxy", "--proxy-trust=127.0.0.1"][..],
        &["--listen=unix:/run/mqtt,proxy"],
    ] {
        assert!(options(flags).is_ok(), "{flags:?}");
    }
}

// A refused value is a usage error: exit code 2.
#[test]
fn usage_errors_exit_with_2() {
    for (flag, code) in [("--shards=0", 2), ("--nonsense", 2), ("--help", 0)] {
        let error = Options::from_args(["ringmq", flag]).expect_err("ends the process");
        assert_eq!(error.exit_code(), code, "{flag}");
    }
    let error = Options::from_args(["ringmq", "--log=a=b=c"]).expect_err("not a filter");
    assert_eq!(error.kind(), ErrorKind::ValueValidation);
}

// The help keeps its headings, and the long one says what each kind of storage survives.
#[test]
fn help_is_grouped_and_honest() {
    let help = Options::command().render_help().to_string();
    for part in ["Network:", "Limits:", "Shards:", "Storage:", "Logging:", "disk, os"] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
    assert!(!help.contains("--segment-bytes"), "few need it:\n{help}");
    let help = Options::command().render_long_help().to_string();
    for part in ["survives a power loss", "survives a killed broker", "--segment-bytes"] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
}
