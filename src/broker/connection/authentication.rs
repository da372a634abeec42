//! Enhanced authentication of a client of MQTT 5 (v5 4.12), before it is let in and anew.
//!
//! ```text
//!  begin ──AUTH with the salt──► Challenged ──AUTH with the proof──► Proved ──► Idle
//!                                     ▲                                          │
//!                                     └────────── AUTH 0x19, once let in ────────┘
//! ```

use crate::access::{Exchange, Mechanism};

/// See the module.
#[derive(Debug)]
pub(crate) struct Authentication {
    pub(crate) mechanism: Mechanism,
    pub(crate) step: AuthStep,
}

/// See the module.
#[derive(Debug)]
pub(crate) enum AuthStep {
    /// The client was sent the salt, and has to prove itself.
    Challenged { exchange: Exchange, since_ms: u64 },
    /// It gets these words if its proof is right.
    Proved { server_final: Box<str> },
    /// Nothing is under way.
    Idle,
}

impl Authentication {
    /// The exchange, if the client has to answer. It goes on with the next message, or not at all.
    pub(crate) fn take_exchange(&mut self) -> Option<(Exchange, u64)> {
        match std::mem::replace(&mut self.step, AuthStep::Idle) {
            AuthStep::Challenged { exchange, since_ms } => Some((exchange, since_ms)),
            other => {
                self.step = other;
                None
            }
        }
    }

    /// The final message for a client whose proof was right.
    pub(crate) fn server_final(&self) -> Option<&str> {
        match &self.step {
            AuthStep::Proved { server_final } => Some(server_final),
            AuthStep::Challenged { .. } | AuthStep::Idle => None,
        }
    }
}

/// A client that authenticates before it is let in, and its CONNECT, which is handled afterwards.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub(crate) authentication: Box<Authentication>,
    /// The packet, with the user that the exchange names and without a password.
    pub(crate) connect: Box<[u8]>,
}
