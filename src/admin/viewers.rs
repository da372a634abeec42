//! Viewers of live figures: each has a stream of lines.
//!
//! Invariant: there are at most [`LIVE_VIEWERS_MAX`] viewers, and at most
//! [`LIVE_LINES_WAITING_MAX`] lines wait for each. A slow viewer misses lines and delays nothing.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::limits::{LIVE_LINES_WAITING_MAX, LIVE_VIEWERS_MAX};

/// One viewer.
struct Viewer {
    lines: mpsc::Sender<Bytes>,
    /// The number of lines until the end; `None`: no end.
    left: Option<u64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Viewers {
    list: RefCell<Vec<Viewer>>,
    /// Whether a task sends lines.
    is_served: Cell<bool>,
}

/// The stream of one viewer.
pub(super) struct Lines(mpsc::Receiver<Bytes>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

impl Viewers {
    /// Adds a viewer for `left` lines, or for all; `None` if there is no room.
    pub(super) fn add(&self, left: Option<u64>) -> Option<Lines> {
        let mut list = self.list.borrow_mut();
        list.retain(|viewer| !viewer.lines.is_closed());
        if list.len() >= LIVE_VIEWERS_MAX {
            return None;
        }
        let (lines, receiver) = mpsc::channel(LIVE_LINES_WAITING_MAX);
        list.push(Viewer { lines, left });
        Some(Lines(receiver))
    }

    /// Whether the caller must start a task that sends lines.
    pub(super) fn begin(&self) -> bool {
        !self.is_served.replace(true)
    }

    /// Ends every stream.
    pub(super) fn end_all(&self) {
        self.list.borrow_mut().clear();
    }

    /// Whether there are no viewers any more, so that the sending task must end.
    pub(super) fn end_if_none(&self) -> bool {
        let mut list = self.list.borrow_mut();
        list.retain(|viewer| !viewer.lines.is_closed());
        self.is_served.set(!list.is_empty());
        list.is_empty()
    }

    /// Sends a line to all viewers.
    pub(super) fn send(&self, line: &Bytes) {
        self.list.borrow_mut().retain_mut(|viewer| {
            if let Err(TrySendError::Closed(_)) = viewer.lines.try_send(line.clone()) {
                return false;
            }
            match &mut viewer.left {
                Some(left) => {
                    *left -= 1;
                    *left > 0
                }
                None => true,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The number of viewers is bounded; one that disconnects makes room; one that reads nothing
    // misses lines, and gets as many as it wanted.
    #[test]
    fn viewers_are_bounded() {
        let viewers = Viewers::default();
        let mut lines: Vec<Lines> =
            (0..LIVE_VIEWERS_MAX).filter_map(|_| viewers.add(None)).collect();
        assert_eq!((lines.len(), viewers.add(None).is_none()), (LIVE_VIEWERS_MAX, true));
        lines.truncate(1);
        let mut counted = viewers.add(Some(1)).expect("there is room");
        assert!(viewers.begin() && !viewers.begin());
        (0..5).for_each(|n: u8| viewers.send(&Bytes::copy_from_slice(&[n])));
        let taken = |lines: &mut Lines| -> Vec<Bytes> {
            std::iter::from_fn(|| lines.0.try_recv().ok()).collect()
        };
        assert_eq!(taken(&mut lines[0]).len(), LIVE_LINES_WAITING_MAX);
        assert_eq!((taken(&mut counted).len(), counted.0.is_closed()), (1, true));
        assert!(!viewers.end_if_none());
        lines.clear();
        assert!(viewers.end_if_none() && viewers.begin(), "another begins anew");
    }
}
