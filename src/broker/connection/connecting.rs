//! A connection before its CONNECT is handled. A password may have to be verified first.
//!
//! ```text
//!  Unasked ──let in or refused at once──►
//!     └──ask──► Asked ──answer──► Answered ──the CONNECT again──►
//! ```
//! Until the answer comes, the CONNECT and the bytes after it stay unread with the link.

use std::net::IpAddr;

use compact_str::CompactString;

use crate::access::Identity;
use crate::mqtt::{Connect, Version};

use super::super::names::{ClientAddress, TransportKind};
use super::authentication::Introduction;

/// The TLS parameters of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsInfo {
    /// The version.
    pub version: &'static str,
    /// The name in the client's certificate, if it has one.
    pub certificate: Option<Box<str>>,
}

/// The result of a password's verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The password is right.
    Right,
    /// It is wrong, or the user or the vhost does not exist.
    Wrong,
    /// The address sent too many wrong passwords: this one was not verified.
    Throttled,
    /// Too many passwords wait for verification: this one was not verified.
    Busy,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connecting {
    client_address: ClientAddress,
    transport: TransportKind,
    secured: Option<TlsInfo>,
    /// The version in its CONNECT, once it has come.
    version: Version,
    /// The largest packet that its client accepts, from its CONNECT.
    packet_bytes_max: u32,
    /// The user that its certificate names.
    certified: Option<CompactString>,
    check: Check,
    /// The turn in which its password was passed to a verifying thread, microseconds.
    asked_us: u64,
    /// It authenticates in several steps.
    introduction: Option<Box<Introduction>>,
}

#[derive(Debug)]
enum Check {
    Unasked,
    Asked(Identity),
    Answered(Identity, Answer),
}

impl Connecting {
    pub(super) fn new(client_address: ClientAddress) -> Self {
        Self {
            client_address,
            transport: TransportKind::default(),
            secured: None,
            version: Version::V311,
            packet_bytes_max: u32::MAX,
            certified: None,
            check: Check::Unasked,
            asked_us: 0,
            introduction: None,
        }
    }

    pub(crate) fn client_address(&self) -> ClientAddress {
        self.client_address
    }

    /// The version in which its client understands a CONNACK, and the size in bytes of the largest
    /// packet that it accepts.
    pub(crate) fn form(&self) -> (Version, usize) {
        (self.version, usize::try_from(self.packet_bytes_max).unwrap_or(usize::MAX))
    }

    pub(crate) fn note_packet_bytes_max(&mut self, bytes: u32) {
        self.packet_bytes_max = bytes;
    }

    /// Notes that its password was passed to a verifying thread in the turn that began at `now_us`.
    pub(crate) fn note_asked(&mut self, now_us: u64) {
        self.asked_us = now_us;
    }

    /// That turn.
    pub(crate) fn asked_us(&self) -> u64 {
        self.asked_us
    }

    /// Notes the version in its CONNECT.
    pub(crate) fn note_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Its transport, if it is known yet.
    pub(crate) fn transport(&self) -> TransportKind {
        self.transport
    }

    pub(crate) fn note_transport(&mut self, transport: TransportKind) {
        self.transport = transport;
    }

    /// Its TLS parameters, if they are known yet.
    pub(crate) fn secured(&self) -> Option<&TlsInfo> {
        self.secured.as_ref()
    }

    pub(crate) fn note_tls_info(&mut self, secured: TlsInfo) {
        self.secured = Some(secured);
    }

    /// The user that its certificate names.
    pub(crate) fn certified(&self) -> Option<&str> {
        self.certified.as_deref()
    }

    /// Notes that its certificate was verified, and the user that it names. A client with a
    /// certificate has the same access as one at a listener for this host only.
    pub(crate) fn certify(&mut self, user: Option<&str>) {
        self.client_address.local = true;
        self.certified = user.map(Into::into);
    }

    /// Notes its client's real address, which a trusted proxy has sent.
    pub(crate) fn relocate(&mut self, address: Option<IpAddr>, port: u16) {
        (self.client_address.address, self.client_address.port) = (address, port);
    }

    /// The effective user name: that of a certificate precedes that of CONNECT.
    pub(crate) fn user_name<'a>(&'a self, connect: &Connect<'a>) -> Option<&'a str> {
        self.certified.as_deref().or(connect.username)
    }

    /// Its CONNECT has an authentication method: the rest of it waits for the client's proof.
    pub(crate) fn introduce(&mut self, introduction: Introduction) {
        self.introduction = Some(Box::new(introduction));
    }

    /// Its authentication in several steps.
    pub(crate) fn introduction(&self) -> Option<&Introduction> {
        self.introduction.as_deref()
    }

    /// As [`Connecting::introduction`].
    pub(crate) fn introduction_mut(&mut self) -> Option<&mut Introduction> {
        self.introduction.as_deref_mut()
    }

    /// As [`Connecting::introduction`]; its client is let in.
    pub(crate) fn take_introduction(&mut self) -> Option<Box<Introduction>> {
        self.introduction.take()
    }

    /// Whether an answer has come, and was not taken.
    pub(crate) fn has_answer(&self) -> bool {
        matches!(self.check, Check::Answered(..))
    }

    /// Whether reading must wait for the answer.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.check, Check::Asked(_))
    }

    /// Notes that its password is being verified.
    pub(crate) fn ask(&mut self, identity: Identity) {
        self.check = Check::Asked(identity);
    }

    /// Takes the answer; returns whether it was expected.
    pub(crate) fn answer(&mut self, answer: Answer) -> bool {
        match std::mem::replace(&mut self.check, Check::Unasked) {
            Check::Asked(identity) => {
                self.check = Check::Answered(identity, answer);
                true
            }
            other => {
                self.check = other;
                false
            }
        }
    }

    /// Takes the answer. `None` if no password was queued, or the answer has not come yet.
    pub(crate) fn take_answer(&mut self) -> Option<(Identity, Answer)> {
        match std::mem::replace(&mut self.check, Check::Unasked) {
            Check::Answered(identity, answer) => Some((identity, answer)),
            other => {
                self.check = other;
                None
            }
        }
    }

    /// Notes that it is accepted but has to wait for another reason: its CONNECT comes again.
    pub(crate) fn keep(&mut self, identity: Identity) {
        self.check = Check::Answered(identity, Answer::Right);
    }
}
