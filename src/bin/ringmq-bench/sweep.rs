//! A sweep: the same run at several rates, one after another, as one table.
//!
//! It also has the presets: cases that are known by a name, as the flags they stand for.

use clap::ValueEnum;

use crate::options::Options;
use crate::run;

/// A case with a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Preset {
    /// 1,000 publishers of QoS 1, 100 B, one message in flight each, and one QoS 0 subscriber to
    /// all of them, at 1,000 to 50,000 messages a second and flat out
    Devices,
}

impl Preset {
    /// The flags that it stands for. Flags of the command line come after them and override them.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Preset::Devices => &[
                "--publishers=1000",
                "--subscribers=1",
                "--topic=dev/{p}/temp",
                "--filter=dev/+/temp",
                "--qos=1",
                "--sub-qos=0",
                "--window=1",
                "--payload=100",
                "--rates=1000,5000,20000,50000,max",
            ],
        }
    }
}

/// Messages a second of all publishers; none: as fast as possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate(pub(crate) Option<u64>);

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        if text == "max" {
            return Ok(Rate(None));
        }
        let rate = text.parse().ok().filter(|rate| (1..=1_000_000_000).contains(rate));
        rate.map(|rate| Rate(Some(rate))).ok_or_else(|| {
            "takes numbers from 1 to 1000000000 and max, as in 1000,20000,max".to_owned()
        })
    }
}

/// Columns of the table, with their widths.
const COLUMNS: [(&str, usize); 12] = [
    ("rate", 7),
    ("acked/s", 9),
    ("CPU µs/msg", 11),
    ("cores", 6),
    ("deliver p50", 12),
    ("p99", 9),
    ("p999", 9),
    ("PUBACK p50", 11),
    ("p99", 9),
    ("lost", 5),
    ("unsent", 7),
    ("generator", 10),
];

/// Runs the options at each of the rates. Prints a row for each, or a line of JSON. The error is
/// the text for the user.
pub(crate) fn run(options: &Options, rates: &[Rate]) -> Result<(), String> {
    if !options.json {
        println!("{}: latencies in µs, from the intended time of sending", options.broker);
        println!("{}", line(COLUMNS.map(|(name, _)| name.to_owned())));
    }
    let mut complaints = Vec::new();
    for &Rate(rate) in rates {
        let report = run::run(Options { rate, ..options.clone() })?;
        if options.json {
            println!("{}", report.json());
        } else {
            let name = rate.map_or("max".to_owned(), |rate| rate.to_string());
            println!("{}", line(report.row(name)));
        }
        complaints.extend(report.complaint());
    }
    complaints.into_iter().next().map_or(Ok(()), Err)
}

fn line(cells: [String; COLUMNS.len()]) -> String {
    let aligned = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:>width$}"));
    aligned.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate is a number or the word.
    #[test]
    fn rates_are_read() {
        for (text, rate) in [
            ("1", Some(Some(1))),
            ("1000000000", Some(Some(1_000_000_000))),
            ("max", Some(None)),
            ("0", None),
            ("1000000001", None),
            ("", None),
            ("Max", None),
        ] {
            assert_eq!(text.parse::<Rate>().ok(), rate.map(Rate), "{text}");
        }
    }

    /// The cells of a line stand below those of the next.
    #[test]
    fn columns_are_aligned() {
        let (head, row) = (
            line(COLUMNS.map(|(name, _)| name.to_owned())),
            line([(); 12].map(|()| "1".to_owned())),
        );
        assert_eq!(head.chars().count(), row.chars().count());
        let ends: usize = COLUMNS.iter().take(2).map(|(_, width)| width + 1).sum();
        assert_eq!(head.chars().nth(ends - 2), Some('s'));
        assert_eq!(row.chars().nth(ends - 2), Some('1'));
    }
}
