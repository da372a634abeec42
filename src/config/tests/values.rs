//! Texts of values: sizes, durations, log filters.

use super::super::values::*;
use super::options;

// Sizes: every unit, nothing but digits before it, and no wrapping.
#[test]
fn sizes() {
    let max = u64::MAX.to_string();
    for (text, bytes) in [
        ("0", Some(0)),
        ("1", Some(1)),
        ("0KiB", Some(0)),
        ("1KiB", Some(1024)),
        ("64KiB", Some(65_536)),
        ("1MiB", Some(1_048_576)),
        ("2GiB", Some(2_147_483_648)),
        ("3TiB", Some(3_298_534_883_328)),
        (max.as_str(), Some(u64::MAX)),
        ("17179869183GiB", Some(u64::MAX - ((1 << 30) - 1))),
        ("17179869184GiB", None),
        ("16777215TiB", Some(u64::MAX - ((1 << 40) - 1))),
        ("16777216TiB", None),
        ("1PiB", None),
        ("18446744073709551616", None),
        ("", None),
        ("KiB", None),
        ("-1", None),
        ("+1", None),
        ("1.5MiB", None),
        ("1 MiB", None),
        ("1kb", None),
        ("1MiBs", None),
        ("٣", None),
    ] {
        assert_eq!(parse_bytes(text), bytes, "{text:?}");
    }
}

// The disk is low by the smaller default, or by what was asked for, whatever its size.
#[test]
fn disk_low() {
    const GIB: u64 = 1 << 30;
    for (flag, total, bytes) in [
        (None, 0, 0),
        (None, 2000, 100),
        (None, 10_000_000_000, 500_000_000),
        (None, 20 * GIB, GIB - 4),
        (None, 21 * GIB, GIB),
        (None, u64::MAX, GIB),
        (Some("--disk-low=0"), 100 * GIB, 0),
        (Some("--disk-low=0%"), 100 * GIB, 0),
        (Some("--disk-low=3GiB"), GIB, 3 * GIB),
        (Some("--disk-low=10%"), 100 * GIB, 10 * GIB),
        (Some("--disk-low=99%"), u64::MAX, u64::MAX / 100 * 99),
    ] {
        let options = options(flag.as_slice()).expect("the flag is fine");
        assert_eq!(options.disk_low_bytes(total), bytes, "{flag:?} of {total}");
    }
}

// Durations: milliseconds to days, a unit unless it is 0, and no wrapping.
#[test]
fn durations() {
    for (text, ms) in [
        ("0", Some(0)),
        ("0ms", Some(0)),
        ("0s", Some(0)),
        ("1ms", Some(1)),
        ("20ms", Some(20)),
        ("1s", Some(1000)),
        ("18446744073709551615ms", Some(u64::MAX)),
        ("18446744073709551s", Some(u64::MAX - 615)),
        ("18446744073709552s", None),
        ("18446744073709551616ms", None),
        ("1", None),
        ("", None),
        ("ms", None),
        ("-1ms", None),
        ("1.5s", None),
        ("1 s", None),
        ("2m", Some(120_000)),
        ("1h", Some(3_600_000)),
        ("14d", Some(1_209_600_000)),
        ("0d", Some(0)),
        ("213503982334d", Some(18_446_744_073_657_600_000)),
        ("213503982335d", None),
        ("1sec", None),
        ("1min", None),
        ("1w", None),
        ("1M", None),
    ] {
        assert_eq!(parse_duration_ms(text), ms, "{text:?}");
    }
}

// Log filters: a filter that env_logger only warns about, or takes for a module, is refused.
#[test]
fn log_filters() {
    for (text, taken) in [
        ("info", true),
        ("OFF", true),
        ("warn,ringmq=debug", true),
        ("ringmq::ring=trace,ringmq::broker=debug", true),
        ("", false),
        ("inof", false),
        ("ringmq", false),
        ("info,", false),
        ("=info", false),
        ("ringmq=", false),
        ("ringmq=loud", false),
        ("a=b=info", false),
        ("ringmq::=info", false),
    ] {
        assert_eq!(parse_log_filter(text).is_ok(), taken, "{text:?}");
    }
}
