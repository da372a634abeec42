//! Metrics of the broker as a whole that no shard knows, beside those of
//! [`catalogue`](super::catalogue).

use super::facts::CertificateFact;
use super::metric::{Kind, Metric, Source, Whole, float};

/// The flag that names lists of revoked certificates.
const CRL_FLAG: &str = "--tls-crl";

/// See the module.
pub(super) const BROKER_METRICS: &[Metric] = &[
    Metric {
        name: "tls_certificate_not_after_timestamp_seconds",
        kind: Kind::Gauge,
        per_unit: 1,
        help: "When the first certificate in a file that is in use ends to be valid",
        source: Source::Named("file", |whole| ends(whole, |it| it.flag != CRL_FLAG)),
    },
    Metric {
        name: "tls_crl_next_update_timestamp_seconds",
        kind: Kind::Gauge,
        per_unit: 1,
        help: "When the first list of revoked certificates in a file should have a successor",
        source: Source::Named("file", |whole| ends(whole, |it| it.flag == CRL_FLAG)),
    },
    Metric {
        name: "trace_events_dropped_total",
        kind: Kind::Counter,
        per_unit: 1,
        help: "Events that traces left out because there were too many",
        source: Source::Broker(|whole| float(whole.trace_events_dropped)),
    },
];

/// The earliest end of each file, in the order of their names.
fn ends(whole: &Whole, is_wanted: fn(&CertificateFact) -> bool) -> Vec<(String, f64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for fact in whole.condition.facts.certificates.iter().filter(|fact| is_wanted(fact)) {
        let Some(end_s) = fact.not_after_s else { continue };
        let file = fact.file.display().to_string();
        match found.iter_mut().find(|(known, _)| *known == file) {
            Some((_, earliest)) => *earliest = end_s.min(*earliest),
            None => found.push((file, end_s)),
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(file, end_s)| (file, float(end_s))).collect()
}
