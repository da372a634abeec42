//! A sweep: the same run at several rates, one after another, as one table.

use crate::options::Options;
use crate::preset::Rate;
use crate::run;

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
        println!("{}", line(&COLUMNS.map(|(name, _)| name.to_owned())));
    }
    let mut complaints = Vec::new();
    for &Rate(rate) in rates {
        let report = run::run(Options { rate, ..options.clone() })?;
        if options.json {
            println!("{}", report.json());
        } else {
            let name = rate.map_or("max".to_owned(), |rate| rate.to_string());
            println!("{}", line(&report.row(name)));
        }
        complaints.extend(report.complaint());
    }
    complaints.into_iter().next().map_or(Ok(()), Err)
}

fn line(cells: &[String; COLUMNS.len()]) -> String {
    let aligned = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:>width$}"));
    aligned.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of a line stand below those of the next.
    #[test]
    fn columns_are_aligned() {
        let (head, row) = (
            line(&COLUMNS.map(|(name, _)| name.to_owned())),
            line(&[(); 12].map(|()| "1".to_owned())),
        );
        assert_eq!(head.chars().count(), row.chars().count());
        let ends: usize = COLUMNS.iter().take(2).map(|(_, width)| width + 1).sum();
        assert_eq!(head.chars().nth(ends - 2), Some('s'));
        assert_eq!(row.chars().nth(ends - 2), Some('1'));
    }
}
