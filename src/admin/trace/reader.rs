//! A stream of a trace's events in one of the formats, at the pace of its reader.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use crate::limits::TRACE_CHUNK_BYTES;

use super::super::state::Admin;
use super::super::traces::{Entry, Running};
use super::{object, pcapng, text};

/// The format of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// JSON, one object per line.
    Json,
    /// Lines like the debug log of Mosquitto.
    Text,
    /// Packets only, for Wireshark.
    Pcapng,
}

impl Format {
    pub(super) const NAMES: [(&'static str, Self); 3] =
        [("json", Self::Json), ("text", Self::Text), ("pcapng", Self::Pcapng)];

    /// The extension of file names.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Json => "ndjson",
            Self::Text => "txt",
            Self::Pcapng => "pcapng",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-ndjson",
            Self::Text => "text/plain; charset=utf-8",
            Self::Pcapng => "application/x-pcapng",
        }
    }
}

/// Sends the events of a trace, beginning with the oldest kept one, until it ends or the reader is
/// gone.
pub(super) async fn feed(
    admin: &Admin,
    running: &Running,
    format: Format,
    sender: mpsc::Sender<Bytes>,
) {
    let (mut grown, mut next) = (running.watch(), 0);
    let mut piece = match format {
        Format::Pcapng => pcapng::head(),
        Format::Json | Format::Text => Vec::new(),
    };
    loop {
        // Changes from here on are signalled; earlier events are read below.
        grown.mark_unchanged();
        let ended = running.ended();
        let mut is_read = false;
        while piece.len() < TRACE_CHUNK_BYTES {
            let Some(entry) = running.next(&mut next) else {
                is_read = true;
                break;
            };
            write(admin, running, format, &entry, &mut piece);
        }
        let is_over = ended.filter(|_| is_read);
        if let Some(why) = is_over {
            match format {
                Format::Json => piece.extend(format!("{}\n", json!({ "ended": why })).bytes()),
                Format::Text => piece.extend(format!("The trace has ended: {why}.\n").bytes()),
                Format::Pcapng => {}
            }
        }
        if !piece.is_empty() && sender.send(std::mem::take(&mut piece).into()).await.is_err() {
            return;
        }
        if is_over.is_some() {
            return;
        }
        if is_read {
            either(pin!(sender.closed()), pin!(async { drop(grown.changed().await) })).await;
            if sender.is_closed() {
                return;
            }
        }
    }
}

fn write(admin: &Admin, running: &Running, format: Format, entry: &Entry, piece: &mut Vec<u8>) {
    let payload_max = running.asked.spec.payload_bytes;
    match entry {
        Entry::Event(shard, event) => {
            let time_us = admin.traces.epoch_us.get() + event.time_us;
            match format {
                Format::Json => {
                    let condition = admin.condition();
                    let vhost = condition.vhosts.iter().find(|(number, _)| *number == event.vhost);
                    let vhost = vhost.map_or("", |(_, name)| name);
                    let line = object::of(event, (*shard, vhost), time_us, payload_max);
                    piece.extend(format!("{line}\n").bytes());
                }
                Format::Text => text::write(event, time_us, payload_max, piece),
                Format::Pcapng => pcapng::write(event, time_us, payload_max, piece),
            }
        }
        Entry::Skipped(count) => match format {
            Format::Json => piece.extend(format!("{}\n", json!({ "skipped": count })).bytes()),
            Format::Text => piece.extend(format!("{count} events were skipped.\n").bytes()),
            Format::Pcapng => {}
        },
    }
}

/// Waits for the first of two futures.
pub(super) async fn either(
    mut one: Pin<&mut impl Future<Output = ()>>,
    mut other: Pin<&mut impl Future<Output = ()>>,
) {
    poll_fn(|context| {
        match one.as_mut().poll(context).is_ready() || other.as_mut().poll(context).is_ready() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}
