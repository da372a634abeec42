//! Limits: what 0 means, and shares of the disk.

use super::*;

// A session's limit is a share of the disk, or the configured value, whatever the disk's size.
#[test]
fn session_bytes() {
    const GIB: u64 = 1 << 30;
    const MOST: u64 = limits::SESSION_QUOTA_BYTES_MAX;
    for (flag, total, bytes) in [
        (None, 0, GIB),
        (None, 10 * GIB, GIB),
        (None, 1000 * GIB, 100 * GIB),
        (None, u64::MAX, MOST),
        (Some("--session-max-bytes=3GiB"), GIB, 3 * GIB),
        (Some("--session-max-bytes=20%"), 1000, limits::SESSION_QUOTA_BYTES_MIN),
        (Some("--session-max-bytes=20%"), 100 * GIB, 20 * GIB),
        (Some("--session-max-bytes=100%"), 100 * GIB, 100 * GIB),
        (Some("--session-max-bytes=0"), GIB, MOST),
        (Some("--session-max-bytes=0%"), GIB, MOST),
    ] {
        let options = options(flag.as_slice()).expect("the flag is fine");
        let found = options.session_bytes_max(total);
        assert!(found.abs_diff(bytes) < 100, "{flag:?} of {total}: {found}");
    }
}

// For every flag: a limit of 0 means none, or is refused because the limit bounds memory; for other
// numbers the help says what 0 means. A new flag must be listed here.
#[test]
fn a_limit_of_0_is_none() {
    type Field = fn(&Options) -> u64;
    let count = |count: usize| u64::try_from(count).expect("it is small");
    let (connections, packet) = (limits::CONNECTIONS_MAX, limits::PACKET_BYTES_MAX);
    let none: &[(&str, Field, u64)] = &[
        ("--max-connections", |it| it.connections_max as u64, count(connections)),
        ("--max-packet-size", |it| it.packet_bytes_max as u64, count(packet)),
        ("--max-inflight", |it| it.inflight_max.into(), u16::MAX.into()),
        ("--address-connections-max", |it| it.abuse.address_connections_max.into(), 0),
        ("--address-connects-per-second", |it| it.abuse.address_connects_per_s.into(), 0),
        ("--topic-alias-max", |it| it.v5.topic_alias_max.into(), 0),
        ("--client-publish-rate", |it| it.abuse.client_publishes_per_s.into(), 0),
        ("--client-publish-bytes", |it| it.abuse.client_publish_bytes_per_s, 0),
        ("--max-subscriptions", |it| it.abuse.subscriptions_max as u64, 65_536),
        (
            "--max-topic-levels",
            |it| it.abuse.topic_levels_max as u64,
            count(limits::TOPIC_LEVELS_MAX),
        ),
        (
            "--session-max-bytes",
            |it| it.session_bytes_max(1 << 40),
            limits::SESSION_QUOTA_BYTES_MAX,
        ),
        ("--group-max-bytes", |it| it.groups.bytes_max, limits::SESSION_QUOTA_BYTES_MAX),
        ("--retained-max-count", |it| it.retained_max, limits::RETAINED_TOTAL_MAX),
        ("--retained-max-bytes", |it| it.retained_bytes_max, limits::RETAINED_TOTAL_BYTES_MAX),
        ("--auth-failures-max", |it| it.access.auth_failures_max.into(), 0),
        ("--disk-low", |it| it.disk_low_bytes(1 << 40), 0),
    ];
    for (flag, field, value) in none {
        for zero in ["0", "00"] {
            // Without users there are no passwords.
            let given = options(&[flag, zero, "--passwords", "users"])
                .unwrap_or_else(|error| panic!("{flag}: {error}"));
            assert_eq!(field(&given), *value, "{flag} {zero}");
        }
    }
    for flag in ["--max-outgoing-bytes", "--shards", "--segment-bytes"] {
        let error = options(&[flag, "0"]).expect_err("there must be some");
        assert!(error.contains(flag) && error.contains("takes"), "{error}");
    }
    let known = none.iter().map(|(flag, ..)| *flag);
    let known: Vec<&str> =
        known.chain(["--max-outgoing-bytes", "--shards", "--segment-bytes"]).collect();
    for flag in Options::command().get_arguments() {
        let Some(name) = flag.get_long().filter(|_| flag.get_action().takes_values()) else {
            continue;
        };
        let takes_numbers = flag.get_value_names().unwrap_or_default().iter();
        let takes_numbers = takes_numbers.map(|name| name.as_str());
        if takes_numbers.clone().any(|name| name == "N" || name.starts_with("BYTES")) {
            assert!(known.contains(&&*format!("--{name}")), "--{name} is a number: may it be 0?");
        }
    }
}

// Numbers in the text of a help are those of the limits.
#[test]
fn help_tells_the_limits() {
    const GIB: u64 = 1 << 30;
    let command = Options::command();
    for (flag, told) in [
        ("shards", format!("1 to {}", limits::SHARDS_MAX)),
        ("max-topic-levels", format!("at most {}", limits::TOPIC_LEVELS_MAX)),
        (
            "session-max-bytes",
            format!(
                "[default: {}%, at least {}GiB]",
                limits::SESSION_QUOTA_PERCENT_DEFAULT,
                limits::SESSION_QUOTA_BYTES_DEFAULT / GIB
            ),
        ),
        (
            "disk-low",
            format!(
                "[default: {}GiB, or {}% if that is less]",
                limits::DISK_LOW_BYTES_DEFAULT / GIB,
                limits::DISK_LOW_PERCENT_DEFAULT
            ),
        ),
        ("segment-bytes", format!("first have {} MiB", limits::SEGMENT_BYTES_FIRST >> 20)),
    ] {
        let mut arguments = command.get_arguments();
        let argument = arguments.find(|argument| argument.get_long() == Some(flag));
        let argument = argument.expect("there is such a flag");
        let help = argument.get_long_help().or(argument.get_help()).expect("it has a help");
        assert!(help.to_string().contains(&told), "{flag}: {told}: {help}");
    }
}

// The bound of watched sessions is accepted; one more is refused with advice.
#[test]
fn watched_sessions_are_bounded() {
    let flags: Vec<String> =
        (0..=limits::WATCH_PATTERNS_MAX).map(|n| format!("--watch-session=//c{n}")).collect();
    let args = |count: usize| ["ringmq"].into_iter().chain(flags[..count].iter().map(|it| &**it));
    let most = limits::WATCH_PATTERNS_MAX;
    let taken = Options::from_args(args(most)).expect("so many are taken");
    assert_eq!(taken.admin.watch_sessions.len(), most);
    let error = Options::from_args(args(most + 1)).expect_err("one too many").to_string();
    assert!(error.contains("--watch-session may be given 16 times"), "{error}");
}
