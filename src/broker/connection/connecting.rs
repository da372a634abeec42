//! A connection before its CONNECT is handled. A password may have to be verified first.
//!
//! ```text
//!  Unasked ──let in or refused at once──►
//!     └──ask──► Asked ──answer──► Answered ──the CONNECT again──►
//! ```
//! Until the answer is there the CONNECT stays with its link, unread, as does what is behind it.

use std::net::IpAddr;

use compact_str::CompactString;

use crate::access::Identity;
use crate::mqtt::{Connect, Version};

use super::super::names::{ClientAddress, TransportKind};
use super::authentication::Introduction;

/// How TLS has secured a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsInfo {
    /// The version.
    pub version: &'static str,
    /// The name in the client's certificate, if it has shown one with a name.
    pub certificate: Option<Box<str>>,
}

/// What became of a password that was to be verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The password is right.
    Right,
    /// It is wrong, or there is no such user or vhost.
    Wrong,
    /// There were too many wrong ones from this address: it was not looked at.
    Throttled,
    /// Too many others wait to be verified: it was not looked at.
    Busy,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connecting {
    client_address: ClientAddress,
    transport: TransportKind,
    secured: Option<TlsInfo>,
    /// Of its CONNECT, once that has come.
    version: Version,
    /// The largest packet that its client takes, as its CONNECT says.
    packet_bytes_max: u32,
    /// The user that its certificate names.
    certified: Option<CompactString>,
    check: Check,
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
            introduction: None,
        }
    }

    pub(crate) fn client_address(&self) -> ClientAddress {
        self.client_address
    }

    /// The version whose CONNACK its client understands, and the bytes of the largest packet that
    /// it takes.
    pub(crate) fn form(&self) -> (Version, usize) {
        (self.version, usize::try_from(self.packet_bytes_max).unwrap_or(usize::MAX))
    }

    pub(crate) fn note_packet_bytes_max(&mut self, bytes: u32) {
        self.packet_bytes_max = bytes;
    }

    /// Its CONNECT says which version its client speaks.
    pub(crate) fn note_version(&mut self, version: Version) {
        self.version = version;
    }

    /// What carries it, as far as that is known.
    pub(crate) fn transport(&self) -> TransportKind {
        self.transport
    }

    pub(crate) fn note_transport(&mut self, transport: TransportKind) {
        self.transport = transport;
    }

    /// How TLS has secured it, if that is known.
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

    /// Notes that its certificate was verified, and the user it names. A client with a certificate
    /// may do what one may that comes in by a listener of this host.
    pub(crate) fn certify(&mut self, user: Option<&str>) {
        self.client_address.local = true;
        self.certified = user.map(Into::into);
    }

    /// Notes where its client really is: a proxy that is trusted has said so.
    pub(crate) fn relocate(&mut self, address: Option<IpAddr>, port: u16) {
        (self.client_address.address, self.client_address.port) = (address, port);
    }

    /// The user name that counts: a certificate's goes before what the client says.
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

    /// Whether an answer must come before anything is read.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.check, Check::Asked(_))
    }

    /// A password is being verified.
    pub(crate) fn ask(&mut self, identity: Identity) {
        self.check = Check::Asked(identity);
    }

    /// The answer has come; whether it was waited for.
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

    /// Takes the answer. `None` if there is none: nothing was asked, or the answer is to come.
    pub(crate) fn take_answer(&mut self) -> Option<(Identity, Answer)> {
        match std::mem::replace(&mut self.check, Check::Unasked) {
            Check::Answered(identity, answer) => Some((identity, answer)),
            other => {
                self.check = other;
                None
            }
        }
    }

    /// It is let in, and has to wait for something else: its CONNECT comes again.
    pub(crate) fn keep(&mut self, identity: Identity) {
        self.check = Check::Answered(identity, Answer::Right);
    }
}
