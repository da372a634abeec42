//! Metrics of the broker as a whole that no shard knows, beside those of
//! [`catalogue`](super::catalogue).

use super::facts::CertificateFact;
use super::metric::{Metric, Source, Whole, counter, float, gauge};
use super::topic::{Form, topic};

/// The flag that names lists of revoked certificates.
const CRL_FLAG: &str = "--tls-crl";

/// See the module.
pub(super) const BROKER_METRICS: &[Metric] = &[
    gauge(
        "build_info",
        "1; its labels are the version of ringmq and that of the kernel",
        Source::Rows(&["version", "kernel"], |_, whole| {
            let labels = [env!("CARGO_PKG_VERSION"), &whole.process.kernel];
            vec![(labels.map(str::to_owned).to_vec(), 1.0)]
        }),
    )
    .at(&[topic(&["broker/version"], Form::Version).says("`ringmq version X`")]),
    counter(
        "http_requests_total",
        "Requests of operators, by what they are for and the status of the answer",
        Source::Rows(&["route", "code"], |_, whole| {
            let labels = |route: &str, code: u16| vec![route.to_owned(), code.to_string()];
            let requests = whole.requests.iter();
            requests.map(|((route, code), n)| (labels(route, *code), float(*n))).collect()
        }),
    ),
    counter(
        "http_requests_refused_total",
        "Requests of operators that were refused: a wrong token, a missing right, another origin",
        Source::Broker(|whole| float(whole.refused_requests)),
    ),
    counter(
        "http_auth_failures_total",
        "Requests of operators that were answered with 401: without a token, or a known one",
        Source::Broker(|whole| float(whole.auth_failures)),
    ),
    counter(
        "log_lines_dropped_total",
        "Lines that the log has lost because standard error was not read",
        Source::Broker(|whole| float(whole.log_lines_lost)),
    ),
    gauge(
        "process_open_fds",
        "Files that the process has open; missing before Linux 6.2",
        Source::Rows(&[], |_, whole| {
            whole.process.files.iter().map(|files| (Vec::new(), float(*files))).collect()
        }),
    ),
    gauge(
        "tls_certificate_not_after_timestamp_seconds",
        "When the first certificate in a file that is in use ends to be valid",
        Source::Named("file", |whole| ends(whole, |it| it.flag != CRL_FLAG)),
    ),
    gauge(
        "tls_crl_next_update_timestamp_seconds",
        "When the first list of revoked certificates in a file should have a successor",
        Source::Named("file", |whole| ends(whole, |it| it.flag == CRL_FLAG)),
    ),
    counter(
        "trace_events_dropped_total",
        "Events that traces left out because there were too many",
        Source::Broker(|whole| float(whole.trace_events_dropped)),
    ),
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
