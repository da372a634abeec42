//! The terms of a connection: what a CONNECT of any version asks for, and what its client gets.

use crate::mqtt::{Connect, ConnectProperties, Properties, SESSION_NEVER_EXPIRES, Value, Version};

use super::super::names::{Options, POSITION_PROPERTY};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Whether an existing session ends [MQTT-3.1.2-6], [MQTT-3.1.2-4] v5.
    pub(crate) clean_start: bool,
    /// How long the session is kept when the client has left, seconds;
    /// [`SESSION_NEVER_EXPIRES`]: for ever. `None`: as `--session-expiry` has it, or not at all
    /// with a clean session; clients before MQTT 5 cannot say.
    pub(crate) expiry_s: Option<u32>,
    /// The value that the client asked for.
    pub(crate) asked_expiry_s: u32,
    /// Largest number of messages in flight to it.
    pub(crate) receive_max: u16,
    /// Size in bytes of the largest packet that it accepts.
    pub(crate) packet_bytes_max: u32,
    /// Largest number of topic aliases towards it.
    pub(crate) topic_alias_max: u16,
    /// Number of topic aliases that the client may use; the CONNACK says it.
    pub(crate) own_alias_max: u16,
    /// Whether any packet may have a reason string.
    pub(crate) problem_information: bool,
    /// Keep alive, seconds; 0: none.
    pub(crate) keep_alive_s: u16,
    /// Whether it differs from the client's value [MQTT-3.2.2-21] v5.
    pub(crate) keeps_other_alive: bool,
    /// The client wants to know the positions of its messages, by a user property of its CONNECT.
    pub(crate) wants_positions: bool,
}

impl Terms {
    pub(crate) fn of(connect: &Connect<'_>, options: &Options) -> Self {
        let is_v5 = connect.version == Version::V5;
        let asked = ConnectProperties::of(connect.properties);
        let keep_alive_s = match options.keep_alive_s_max {
            Some(max) if is_v5 && (connect.keep_alive_s == 0 || connect.keep_alive_s > max) => max,
            _ => connect.keep_alive_s,
        };
        Self {
            clean_start: connect.clean_session,
            expiry_s: is_v5.then(|| capped_s(asked.session_expiry_s, options)),
            asked_expiry_s: asked.session_expiry_s,
            receive_max: asked.receive_max,
            packet_bytes_max: asked.packet_bytes_max,
            topic_alias_max: asked.topic_alias_max.min(options.topic_alias_max),
            own_alias_max: options.topic_alias_max,
            problem_information: asked.request_problem_information,
            keep_alive_s,
            keeps_other_alive: keep_alive_s != connect.keep_alive_s,
            wants_positions: is_v5 && wants_positions(connect.properties),
        }
    }

    /// Whether a new session ends with its connection and is not on disk.
    pub(crate) fn is_volatile(&self) -> bool {
        self.expiry_s.map_or(self.clean_start, |expiry_s| expiry_s == 0)
    }
}

fn wants_positions(properties: Properties<'_>) -> bool {
    let wanted = Value::StringPair(POSITION_PROPERTY, "1");
    properties.iter().any(|property| property.value == wanted)
}

/// A session expiry interval, seconds, at most `--session-expiry`.
pub(crate) fn capped_s(asked_s: u32, options: &Options) -> u32 {
    match options.session_expiry_ms {
        0 => asked_s,
        max_ms => {
            asked_s.min(u32::try_from(max_ms.div_ceil(1000)).unwrap_or(SESSION_NEVER_EXPIRES))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(version: Version, clean_session: bool, keep_alive_s: u16) -> Connect<'static> {
        Connect {
            version,
            clean_session,
            keep_alive_s,
            client_id: "c",
            will: None,
            username: None,
            password: None,
            properties: Properties::EMPTY,
        }
    }

    /// In 3.1.1 the clean session decides about both ends of a session, in MQTT 5 the expiry about
    /// the second.
    #[test]
    fn who_stays() {
        let options = Options::single();
        for (version, clean, volatile, expiry_s) in [
            (Version::V311, true, true, None),
            (Version::V311, false, false, None),
            (Version::V5, true, true, Some(0)),
            (Version::V5, false, true, Some(0)),
        ] {
            let terms = Terms::of(&connect(version, clean, 0), &options);
            assert_eq!((terms.is_volatile(), terms.expiry_s), (volatile, expiry_s));
        }
        let mut scratch = Vec::new();
        let asked = ConnectProperties { session_expiry_s: u32::MAX, ..Default::default() };
        let properties = asked.lay_out(&[], &mut scratch);
        let connect = Connect { properties, ..connect(Version::V5, true, 0) };
        let capped = Options { session_expiry_ms: 90_001, ..Options::single() };
        assert_eq!(Terms::of(&connect, &capped).expiry_s, Some(91));
        let never = Terms::of(&connect, &options);
        assert_eq!((never.expiry_s, never.is_volatile()), (Some(u32::MAX), false));
    }

    /// A keep alive that is longer than the server's, or none, is replaced for those who are told.
    #[test]
    fn keep_alive_of_the_server() {
        let options = Options { keep_alive_s_max: Some(60), ..Options::single() };
        for (version, asked, given) in [
            (Version::V5, 0, 60),
            (Version::V5, 61, 60),
            (Version::V5, 59, 59),
            (Version::V311, 0, 0),
            (Version::V311, 61, 61),
        ] {
            let terms = Terms::of(&connect(version, true, asked), &options);
            assert_eq!((terms.keep_alive_s, terms.keeps_other_alive), (given, given != asked));
        }
    }
}
