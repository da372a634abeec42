//! The reasons for refusing a CONNECT, in words for the log. Clients get fewer details.

use std::fmt;

use crate::access::Malformed;
use crate::mqtt::{ConnectReturn, ReasonCode};

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefusalReason {
    /// An unsupported version of MQTT.
    Version,
    /// No user name where one is needed, or a certificate's user without access.
    NoUser,
    /// No password, or one that cannot be right: it was not verified.
    NoPassword,
    /// A user name or password over the longest length.
    LoginTooLong,
    /// A wrong password, or an unknown user or vhost.
    WrongPassword,
    /// Its address sent too many wrong passwords.
    ShutOut,
    /// Too many other passwords wait for verification.
    Busy,
    /// The rules changed while its password was verified.
    Revoked,
    /// An empty client id where one is required.
    EmptyId,
    /// A client id that is too long.
    LongId,
    /// A session that belongs to another user: it has its own log line.
    OthersSession,
    /// `--max-connections`.
    Clients,
    /// `max-connections` of its vhost.
    VhostClients,
    /// `max-sessions` of its vhost.
    VhostSessions,
    /// The shard has its largest number of sessions.
    Sessions,
    /// The client accepts only packets that are smaller than the CONNACK (MQTT 5).
    SmallPackets,
    /// Its will is not UTF-8 although it declares it (MQTT 5, `--check-payload-format`).
    WillPayload,
    /// An unsupported authentication method (MQTT 5).
    Method,
    /// The client accepts only packets that are too small for its authentication method (MQTT 5).
    SmallForAuth,
    /// Its authentication breaks a rule (MQTT 5).
    Authentication(Malformed),
    /// Its authentication names another user than its CONNECT or its certificate (MQTT 5).
    OtherUser,
    /// It could not prove that it knows the password; or there is no such user or vhost (MQTT 5).
    WrongProof,
    /// As [`Self::ShutOut`], for a proof (MQTT 5).
    ProofShutOut,
    /// No reason beyond the CONNACK's code.
    Code(ConnectReturn),
}

impl RefusalReason {
    /// The reason code of the CONNACK for MQTT 5; `code` is the return code for 3.1.1.
    pub(crate) fn reason_code(self, code: ConnectReturn) -> ReasonCode {
        match self {
            Self::Version => ReasonCode::UnsupportedProtocolVersion,
            Self::Busy | Self::Clients => ReasonCode::ServerBusy,
            Self::VhostClients | Self::VhostSessions | Self::Sessions => ReasonCode::QuotaExceeded,
            Self::EmptyId | Self::LongId => ReasonCode::ClientIdNotValid,
            Self::NoUser
            | Self::Revoked
            | Self::OthersSession
            | Self::OtherUser
            | Self::WrongProof
            | Self::ProofShutOut => ReasonCode::NotAuthorized,
            Self::NoPassword | Self::LoginTooLong | Self::WrongPassword | Self::ShutOut => {
                ReasonCode::BadUserNameOrPassword
            }
            Self::SmallPackets | Self::SmallForAuth => ReasonCode::PacketTooLarge,
            Self::Authentication(_) => ReasonCode::ProtocolError,
            Self::WillPayload => ReasonCode::PayloadFormatInvalid,
            Self::Method => ReasonCode::BadAuthenticationMethod,
            Self::Code(_) => match code {
                ConnectReturn::UnacceptableVersion => ReasonCode::UnsupportedProtocolVersion,
                ConnectReturn::IdentifierRejected => ReasonCode::ClientIdNotValid,
                ConnectReturn::BadCredentials => ReasonCode::BadUserNameOrPassword,
                ConnectReturn::NotAuthorized => ReasonCode::NotAuthorized,
                ConnectReturn::Accepted | ConnectReturn::ServerUnavailable => {
                    ReasonCode::ServerUnavailable
                }
            },
        }
    }

    /// Whether the client gets the reason in words: not if the words help it to guess.
    pub(crate) fn may_be_told(self) -> bool {
        !matches!(
            self,
            Self::NoUser
                | Self::NoPassword
                | Self::LoginTooLong
                | Self::WrongPassword
                | Self::ShutOut
                | Self::Revoked
                | Self::OthersSession
                | Self::OtherUser
                | Self::WrongProof
                | Self::ProofShutOut
                | Self::Code(_)
        )
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => {
                "its MQTT version is not spoken here: clients must use 3.1, 3.1.1 or 5"
            }
            Self::NoUser => {
                "it may not connect without a user name (see --passwords, --vhosts and \
                 --allow-anonymous)"
            }
            Self::NoPassword => "no password, or nobody here has one (see --passwords, --vhosts)",
            Self::LoginTooLong => "its user name or password is too long to be one",
            Self::WrongPassword => "wrong password, or no such user or vhost",
            Self::ShutOut => {
                "its address had too many wrong passwords (--auth-failures-max); this one was not \
                 looked at"
            }
            Self::Busy => "too many other passwords wait to be verified; it may try again",
            Self::Revoked => "the new access rules do not have it",
            Self::EmptyId => "an empty client id needs a clean session or MQTT 5, and not MQTT 3.1",
            Self::LongId => "its client id has over 1,024 bytes",
            Self::OthersSession => "the session of this client id belongs to another user",
            Self::Clients => "as many clients are connected as may be (--max-connections)",
            Self::VhostClients => {
                "as many clients are connected as may be in its vhost (max-connections in `limits`)"
            }
            Self::VhostSessions => {
                "its vhost has as many sessions as it may (max-sessions in `limits`)"
            }
            Self::SmallPackets => {
                "its Maximum Packet Size is below 64 bytes: acknowledgements must fit"
            }
            Self::WillPayload => "the payload of its will is not the UTF-8 it says",
            Self::Method => "its authentication method is not spoken here",
            Self::SmallForAuth => {
                "its Maximum Packet Size is below 1,024 bytes: authentication must fit"
            }
            Self::Authentication(rule) => return write!(f, "authentication: {rule}"),
            Self::OtherUser => {
                "its authentication names another user than its CONNECT or its certificate"
            }
            Self::WrongProof => "wrong proof of a password, or no such user or vhost",
            Self::ProofShutOut => {
                "its address had too many wrong passwords (--auth-failures-max); this proof was \
                 not looked at"
            }
            Self::Code(code) => return write!(f, "CONNACK {}, {code}", *code as u8),
            Self::Sessions => "this shard has as many sessions as it can",
        })
    }
}
