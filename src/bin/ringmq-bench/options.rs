//! The command line: flags as clap reads them, and [`Options`], which is consistent.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, Parser, error::ErrorKind};

use crate::group::Membership;
use crate::preset::{Preset, Rate, Rates};
use crate::stream::Terms;
use crate::template::Template;
use crate::wire::{Login, REMAINING_BYTES_MAX, Version};

/// Memory of all belts together; with more, the generator's cache misses would distort the results.
const BELT_BYTES_MAX: usize = 1 << 30;

/// Most threads: each has its poller, and hosts have no more cores.
const THREADS_MAX: u32 = 256;

/// Load generator for MQTT brokers, 3.1.1 and 5: publishers × subscribers × topics.
///
/// By default it sends as fast as possible. With --rate it is an open loop whose latencies are
/// measured from the intended time of sending. Payloads of 16 bytes and more carry stream, number
/// and time, which gives loss, duplicates, order and latency; messages with shorter payloads are
/// only counted.
///
/// Exit status: 0 done; 1 a connection failed or was lost; 2 bad flags.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringmq-bench", version, max_term_width = 100, args_override_self = true)]
pub(crate) struct Flags {
    /// A case that is known by a name, as the flags it stands for; others may be added, or override
    /// them
    #[arg(long, value_name = "NAME", value_enum)]
    preset: Option<Preset>,
    /// Broker's name or address
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Broker's port
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// Use TLS 1.3, and trust the authorities in this file (PEM)
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Use TLS 1.2 instead
    #[arg(long, requires = "tls")]
    tls12: bool,
    /// Resume TLS sessions with tickets of earlier connections, if there are any
    #[arg(long, requires = "tls")]
    tls_tickets: bool,
    /// Use MQTT over WebSocket, with each packet in a frame of its own
    #[arg(long = "ws")]
    websocket: bool,
    /// Speak MQTT 5
    #[arg(long)]
    v5: bool,
    /// User properties of each message, of 20 bytes each
    #[arg(long, value_name = "N", default_value_t = 0, requires = "v5",
          value_parser = clap::value_parser!(u16).range(..=1000))]
    user_properties: u16,
    /// Name topics by aliases once they are introduced, and take aliases from the broker
    #[arg(long, requires = "v5")]
    topic_alias: bool,
    /// Threads; publishers and subscribers are dealt out to them in turn
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: u32,
    /// Publishing connections [default: 1, or 0 with --idle]
    #[arg(long, value_name = "N")]
    publishers: Option<u32>,
    /// Subscribing connections [default: 1, or 0 with --idle]
    #[arg(long, value_name = "N")]
    subscribers: Option<u32>,
    /// Topic; in braces, p is the publisher's number and n the message's modulo --topics
    #[arg(long, value_name = "TEMPLATE", default_value = "bench/{p}")]
    topic: String,
    /// Filter; {s} is the subscriber's number [default: see --pair]
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "pair")]
    filter: Option<String>,
    /// Subscriber i receives only publisher i's topics; this is what the default templates do
    #[arg(long)]
    pair: bool,
    /// Subscribers are members of the consumer group NAME, of which the first thread has all;
    /// {s} gives each subscriber a group of its own. Default filter: all topics
    #[arg(long, value_name = "NAME", conflicts_with = "pair")]
    group: Option<String>,
    /// Seconds from one kill of a member's connection to the next, more while the last one has not
    /// joined again; it connects again at once
    #[arg(long, value_name = "S", value_parser = seconds, requires = "group")]
    kill_every: Option<Duration>,
    /// Members subscribe, leave, and come back when all --messages are published
    #[arg(long, requires_all = ["group", "messages"])]
    absent: bool,
    /// Topics of each publisher, used in turn; the topic then needs n in braces
    #[arg(long, value_name = "N", default_value_t = 1)]
    topics: u32,
    /// QoS of publishing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
    /// QoS of subscriptions [default: that of publishing]
    #[arg(long, value_name = "QOS", value_parser = clap::value_parser!(u8).range(0..=1))]
    sub_qos: Option<u8>,
    /// Payload bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    payload: usize,
    /// QoS 1: messages in flight of each publisher
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(1..))]
    window: u16,
    /// Messages a second of all publishers together, on a fixed schedule [default: as fast as
    /// possible]
    #[arg(long, value_name = "PER_S",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rate: Option<u64>,
    /// Run at each of these rates, one after another, and print one table; max: as fast as possible
    #[arg(long, value_name = "PER_S,…", conflicts_with_all = ["rate", "messages"])]
    rates: Option<Rates>,
    /// Seconds to measure [default: 5; with --messages until all are delivered]
    #[arg(long, value_name = "S", value_parser = seconds)]
    duration: Option<Duration>,
    /// Seconds of load before measuring; none with --messages
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    warmup: Duration,
    /// Most seconds to wait afterwards for messages that are still on their way
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    drain: Duration,
    /// Send this many messages in total, then end; without publishers: receive this many
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Clean Session flag of CONNECT
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    clean_session: bool,
    /// User name of every connection
    #[arg(long, value_name = "NAME", requires = "password")]
    username: Option<String>,
    /// Its password
    #[arg(long, value_name = "TEXT", requires = "username")]
    password: Option<String>,
    /// Beginning of client ids, followed by p, s or i and a number [default: bench-PID-]
    #[arg(long, value_name = "TEXT")]
    client_prefix: Option<String>,
    /// Further connections that stay idle
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,
    /// Print one line of JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Report progress every second on standard error [default: if that is a terminal]
    #[arg(long)]
    progress: bool,
    /// Never report progress
    #[arg(long, conflicts_with = "progress")]
    quiet: bool,
    /// Process whose CPU time and memory are read from /proc
    #[arg(long, value_name = "PID")]
    broker_pid: Option<u32>,
}

/// The options of a run, checked.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `host:port` as given, for messages.
    pub(crate) broker: String,
    /// The same, resolved.
    pub(crate) address: SocketAddr,
    /// The parameters of TLS, if it is used.
    pub(crate) tls: Option<Terms>,
    /// Whether to use WebSocket.
    pub(crate) websocket: bool,
    /// Version of MQTT.
    pub(crate) version: Version,
    /// User properties of each message; MQTT 5 only.
    pub(crate) user_properties: u16,
    /// Whether topics are named by aliases, at most 65,535 of each publisher; MQTT 5 only.
    pub(crate) topic_alias: bool,
    /// At least 1.
    pub(crate) threads: u32,
    /// Publishing connections.
    pub(crate) publishers: u32,
    /// Subscribing connections.
    pub(crate) subscribers: u32,
    /// Idle connections.
    pub(crate) idle: u32,
    /// Topics to publish to, in `{p}` and `{n}`.
    pub(crate) topic: Template,
    /// Filters to subscribe to, in `{s}`.
    pub(crate) filter: Template,
    /// Whether subscriber i receives only the topics of publisher i.
    pub(crate) pair: bool,
    /// How subscribers are members of groups, if they are.
    pub(crate) group: Option<Membership>,
    /// Topics of each publisher, at least 1; `publishers * topics` fits a `u32`.
    pub(crate) topics: u32,
    /// QoS of publishing, 0 or 1.
    pub(crate) qos: u8,
    /// QoS of subscriptions, 0 or 1.
    pub(crate) sub_qos: u8,
    /// Bytes of a payload.
    pub(crate) payload_bytes: usize,
    /// Messages in flight of a QoS 1 publisher, at least 1.
    pub(crate) window: u16,
    /// Messages a second of all publishers; `None`: as fast as possible.
    pub(crate) rate: Option<u64>,
    /// The rates of a sweep; empty: one run at `rate`.
    pub(crate) rates: Vec<Rate>,
    /// How long to measure; `None` only with `messages`.
    pub(crate) duration: Option<Duration>,
    /// Load before measuring.
    pub(crate) warmup: Duration,
    /// Longest wait for messages on their way at the end.
    pub(crate) drain: Duration,
    /// Messages in all.
    pub(crate) messages: Option<u64>,
    /// Clean Session flag.
    pub(crate) clean_session: bool,
    /// User name and password of every connection.
    pub(crate) login: Option<Arc<Login>>,
    /// Begin of every client identifier.
    pub(crate) client_prefix: String,
    /// JSON instead of a table.
    pub(crate) json: bool,
    /// Whether to report progress.
    pub(crate) progress: bool,
    /// The broker's process.
    pub(crate) broker_pid: Option<u32>,
}

impl Options {
    /// Reads the command line. Wrong flags end the process with status 2 and a text that names
    /// them.
    pub(crate) fn from_command_line() -> Options {
        let mut flags = Flags::parse();
        if let Some(preset) = flags.preset {
            flags = Flags::parse_from(with_preset(preset, std::env::args_os()));
        }
        match Options::check(&flags) {
            Ok(options) => options,
            Err(text) => Flags::command().error(ErrorKind::ValueValidation, text).exit(),
        }
    }

    fn check(flags: &Flags) -> Result<Options, String> {
        let broker = format!("{}:{}", flags.host, flags.port);
        let address = resolve(&flags.host, flags.port)?;
        let crowd = u32::from(flags.idle == 0);
        let publishers = flags.publishers.unwrap_or(crowd);
        let subscribers = flags.subscribers.unwrap_or(crowd);
        let group = flags.group.as_deref().map(|name| membership(flags, name)).transpose()?;
        let is_default = flags.filter.is_none() && flags.topic == "bench/{p}";
        let pair = flags.pair || (is_default && group.is_none());
        let topic = Template::topic(&flags.topic, "pn").map_err(|e| format!("--topic: {e}"))?;
        let filter_text = match &flags.filter {
            Some(text) => text.clone(),
            None if pair => topic.paired_filter_text(),
            None if group.is_some() => topic.wildcard_filter_text(),
            None => return Err("--topic needs --filter or --pair".to_owned()),
        };
        let filter = Template::filter(&filter_text, "s").map_err(|e| format!("--filter: {e}"))?;
        if flags.topics > 1 && !flags.topic.contains("{n}") {
            return Err("--topics above 1 needs {n} in --topic".to_owned());
        }
        if !(1..=THREADS_MAX).contains(&flags.threads) {
            return Err(format!("--threads is 1 to {THREADS_MAX}"));
        }
        if publishers.checked_add(subscribers).and_then(|n| n.checked_add(flags.idle)).is_none() {
            return Err("--publishers, --subscribers and --idle are too many together".to_owned());
        }
        if !flags.clean_session && flags.client_prefix.is_none() {
            return Err("--clean-session false needs --client-prefix to find it again".to_owned());
        }
        check_sizes(flags, publishers)?;
        let terms = |file| Terms::new(file, &flags.host, flags.tls12, flags.tls_tickets);
        let tls = flags.tls.as_deref().map(terms).transpose()?;
        let duration = flags.duration.or_else(|| match flags.messages {
            Some(_) => None,
            None => Some(Duration::from_secs(5)),
        });
        let prefix = flags.client_prefix.clone();
        let client_prefix = prefix.unwrap_or_else(|| format!("bench-{}-", std::process::id()));
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Ok(Options {
            broker,
            address,
            tls,
            websocket: flags.websocket,
            version: if flags.v5 { Version::V5 } else { Version::V311 },
            user_properties: flags.user_properties,
            topic_alias: flags.topic_alias,
            threads: flags.threads,
            publishers,
            subscribers,
            idle: flags.idle,
            topic,
            filter,
            pair,
            group,
            topics: flags.topics,
            qos: flags.qos,
            sub_qos: flags.sub_qos.unwrap_or(flags.qos),
            payload_bytes: flags.payload,
            window: flags.window,
            rate: flags.rate,
            rates: flags.rates.clone().map_or_else(Vec::new, |Rates(rates)| rates),
            duration,
            warmup: if flags.messages.is_some() { Duration::ZERO } else { flags.warmup },
            drain: flags.drain,
            messages: flags.messages,
            clean_session: flags.clean_session,
            login: flags.username.clone().zip(flags.password.clone()).map(login),
            client_prefix,
            json: flags.json,
            progress: flags.progress || (on_terminal && !flags.quiet),
            broker_pid: flags.broker_pid,
        })
    }

    /// All connections.
    pub(crate) fn connections(&self) -> u32 {
        self.publishers + self.subscribers + self.idle
    }

    /// Messages publisher `p` is to send in all.
    pub(crate) fn messages_of(&self, p: u32) -> Option<u64> {
        let (all, publishers) = (self.messages?, u64::from(self.publishers));
        Some(all / publishers + u64::from(u64::from(p) < all % publishers))
    }
}

/// The command line with the preset's flags before all others.
fn with_preset(
    preset: Preset,
    words: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut words = words.into_iter();
    let program = words.next();
    program.into_iter().chain(preset.flags().iter().map(OsString::from)).chain(words)
}

fn login((user, password): (String, String)) -> Arc<Login> {
    Arc::new(Login { user, password })
}

/// Templates are checked with room for the numbers that fill the placeholders.
fn check_sizes(flags: &Flags, publishers: u32) -> Result<(), String> {
    // A user property has 5 bytes beside its 20.
    let properties_bytes = 25 * usize::from(flags.user_properties);
    let message_bytes = flags.topic.len() + 32 + properties_bytes + flags.payload;
    if flags.payload > REMAINING_BYTES_MAX || message_bytes > REMAINING_BYTES_MAX {
        return Err(format!("--payload: a packet has at most {REMAINING_BYTES_MAX} bytes"));
    }
    if flags.client_prefix.as_ref().is_some_and(|prefix| prefix.len() > 60_000) {
        return Err("--client-prefix is longer than MQTT allows".to_owned());
    }
    let streams = publishers.checked_mul(flags.topics).filter(|_| flags.topics > 0);
    let Some(streams) = streams else {
        return Err("--topics is at least 1, and times --publishers below 2^32".to_owned());
    };
    if flags.topic_alias && flags.topics > u32::from(u16::MAX) {
        return Err("--topic-alias: --topics is at most 65,535, as aliases are".to_owned());
    }
    if (streams as usize).saturating_mul(message_bytes) > BELT_BYTES_MAX {
        return Err("--publishers × --topics × --payload is more than 1 GiB".to_owned());
    }
    Ok(())
}

fn membership(flags: &Flags, name: &str) -> Result<Membership, String> {
    if flags.absent && flags.clean_session {
        return Err("--absent needs --clean-session false, so that the group stays".to_owned());
    }
    if flags.kill_every.is_some_and(|every| every.is_zero()) {
        return Err("--kill-every is more than 0 seconds".to_owned());
    }
    let mut membership = Membership::new(name).map_err(|text| format!("--group: {text}"))?;
    (membership.kill_every, membership.is_absent) = (flags.kill_every, flags.absent);
    Ok(membership)
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let found = (host, port).to_socket_addrs().map_err(|e| format!("--host {host}: {e}"))?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    // Brokers on `localhost` usually listen on IPv4.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.first().copied().ok_or_else(|| format!("--host {host}: has no address"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= Duration::from_secs(30 * 86_400) => Ok(duration),
        _ => Err("from 0 seconds to 30 days".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn check(line: &str) -> Result<Options, String> {
        let words = std::iter::once("ringmq-bench").chain(line.split_ascii_whitespace());
        let flags = Flags::try_parse_from(words).map_err(|error| error.to_string())?;
        Options::check(&flags)
    }

    /// Bad flags are refused with a text that names one of them.
    #[test]
    fn bad_flags_are_named() {
        for (line, named) in [
            ("--qos 2", "--qos"),
            ("--window 0", "--window"),
            ("--window 65536", "--window"),
            ("--threads 0", "--threads"),
            ("--topics 0", "--topics"),
            ("--topics 2", "--topics"),
            ("--topics 2 --topic t --pair", "--topics"),
            ("--topic a/+ --pair", "--topic"),
            ("--topic a", "--filter"),
            ("--topic a --filter a/#/b", "--filter"),
            ("--filter a --pair", "--pair"),
            ("--group a/b", "--group"),
            ("--group g --pair", "--pair"),
            ("--group g{s} --filter a/{p}", "--filter"),
            ("--kill-every 1", "--group"),
            ("--group g --kill-every 0", "--kill-every"),
            ("--group g --absent", "--messages"),
            ("--group g --absent --messages 1", "--clean-session"),
            ("--topic-alias", "--v5"),
            ("--user-properties 1", "--v5"),
            ("--v5 --user-properties 1001", "--user-properties"),
            ("--v5 --topic-alias --topics 65536 --topic {p}/{n} --pair", "--topic-alias"),
            ("--rate 0", "--rate"),
            ("--rates 1,0", "--rates"),
            ("--rates 1 --rate 1", "--rate"),
            ("--rates 1 --messages 1", "--rates"),
            ("--preset fleet", "--preset"),
            ("--duration=-1", "--duration"),
            ("--warmup x", "--warmup"),
            ("--payload 268435456", "--payload"),
            ("--payload 1000000 --publishers 2000", "--payload"),
            ("--clean-session false", "--client-prefix"),
            ("--clean-session maybe", "--clean-session"),
            ("--progress --quiet", "--quiet"),
            ("--publishers 4294967295 --subscribers 1", "--publishers"),
            ("--host 256.0.0.1.invalid", "--host"),
        ] {
            let text = check(line).expect_err(line);
            assert!(text.contains(named), "{line}: {text}");
        }
        Flags::command().debug_assert();
    }

    /// A preset is valid, and flags beside it override its own.
    #[test]
    fn presets_are_overridden() {
        for preset in Preset::value_variants() {
            let words =
                ["ringmq-bench", "--publishers", "7", "--rates", "9,max"].map(OsString::from);
            let words: Vec<OsString> = with_preset(*preset, words).collect();
            let flags = Flags::try_parse_from(&words).expect("it is valid");
            let options = Options::check(&flags).expect("it is valid");
            assert_eq!(options.publishers, 7);
            assert_eq!(options.rates, [Rate(Some(9)), Rate(None)]);
            let Flags { rates, .. } =
                Flags::try_parse_from(&words[..words.len() - 4]).expect("valid");
            assert!(rates.is_some_and(|Rates(rates)| rates.len() > 1), "a preset is a sweep");
        }
    }

    /// Defaults that depend on other flags.
    #[test]
    fn defaults_follow_other_flags() {
        let plain = check("").expect("valid");
        assert_eq!((plain.publishers, plain.subscribers, plain.pair), (1, 1, true));
        assert_eq!(plain.duration, Some(Duration::from_secs(5)));
        let group = check("--group g --topic a{p}/{n}/b --topics 2").expect("valid");
        assert_eq!((group.filter.render(|_| 0).as_str(), group.pair), ("+/+/b", false));
        let idle = check("--idle 9").expect("valid");
        assert_eq!((idle.publishers, idle.subscribers, idle.connections()), (0, 0, 9));
        let counted = check("--messages 10 --publishers 3 --qos 1").expect("valid");
        assert_eq!((counted.duration, counted.warmup), (None, Duration::ZERO));
        assert_eq!(counted.sub_qos, 1);
        let shares: Vec<_> = (0..3).filter_map(|p| counted.messages_of(p)).collect();
        assert_eq!(shares, [4, 3, 3]);
    }
}
