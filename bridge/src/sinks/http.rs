//! Servers that accept line protocol over HTTP: InfluxDB, VictoriaMetrics and others.
//!
//! A batch is one request. If the server refuses it because of its content, the batch is halved
//! until the refused lines are found.

use std::ops::Range;

use bytes::Bytes;
use hyper::StatusCode;

use super::http_client::{Answer, HttpClient};
use super::line::Lines;
use super::{Refused, Trouble};
use crate::config::HttpTarget;
use crate::flow::Batch;
use crate::shown::shortened;

/// A server.
pub struct HttpSink {
    lines: Lines,
    path: String,
    client: HttpClient,
}

/// The meaning of an answer.
enum Meaning {
    /// All lines are accepted.
    Taken,
    /// Some line is refused.
    Content,
    /// The batch may be accepted later.
    Later,
    /// The batch will never be accepted.
    Never,
}

impl HttpSink {
    /// A sink for this target.
    pub fn new(target: HttpTarget) -> Self {
        let client = HttpClient::new(
            target.host.clone(),
            target.port,
            target.tls.clone(),
            target.authorization.clone(),
        );
        Self { path: target.path.clone(), lines: Lines::new(target), client }
    }

    pub(super) async fn write(&mut self, batch: &Batch) -> Result<Vec<Refused>, Trouble> {
        let mut refused = Vec::new();
        let mut text = Vec::with_capacity(batch.bytes());
        // For each line its end, and the place of its message.
        let mut ends: Vec<(usize, usize)> = Vec::with_capacity(batch.len());
        for (at, message) in batch.iter() {
            let start = text.len();
            match self.lines.put(&message, &mut text) {
                Ok(()) => ends.push((text.len(), at)),
                Err(reason) => {
                    text.truncate(start);
                    refused.push(Refused { at, reason });
                }
            }
        }
        let text = Bytes::from(text);
        let mut ranges: Vec<Range<usize>> = std::iter::once(0..ends.len()).collect();
        while let Some(range) = ranges.pop().filter(|range| !range.is_empty()) {
            let start = range.start.checked_sub(1).map_or(0, |before| ends[before].0);
            let body = text.slice(start..ends[range.end - 1].0);
            let answer = self.client.post(&self.path, body).await.map_err(Trouble::again)?;
            match meaning(answer.status) {
                Meaning::Taken => {}
                Meaning::Content if range.len() == 1 => {
                    refused.push(Refused { at: ends[range.start].1, reason: told(&answer) });
                }
                Meaning::Content => {
                    let middle = range.start + range.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
                Meaning::Later => return Err(Trouble::again(told(&answer))),
                Meaning::Never => return Err(Trouble::Never(told(&answer))),
            }
        }
        Ok(refused)
    }
}

fn meaning(status: StatusCode) -> Meaning {
    match status.as_u16() {
        200..=299 => Meaning::Taken,
        400 | 413 | 422 => Meaning::Content,
        401 | 403 | 404 | 405 => Meaning::Never,
        _ => Meaning::Later,
    }
}

fn told(answer: &Answer) -> String {
    shortened(&format!("{}: {}", answer.status, answer.body))
}
