//! Presets: named cases, with their flags; and the rates of a sweep.

use std::str::FromStr;

use clap::ValueEnum;

/// A case with a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Preset {
    /// 1,000 publishers of QoS 1, 100 B, one message in flight each, and one QoS 0 subscriber to
    /// all of them, at 1,000 to 50,000 messages a second and flat out
    Devices,
}

impl Preset {
    /// The flags of the preset. Flags of the command line come after them and override them.
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

impl FromStr for Rate {
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

/// The rates of a sweep, at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rates(pub(crate) Vec<Rate>);

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Rates, String> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Rates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate is a number or `max`.
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
        let rates: Rates = "7,max,9".parse().expect("three rates");
        assert_eq!(rates, Rates(vec![Rate(Some(7)), Rate(None), Rate(Some(9))]));
        for text in ["", "1,", ",1", "1;2"] {
            assert!(text.parse::<Rates>().is_err(), "{text}");
        }
    }
}
