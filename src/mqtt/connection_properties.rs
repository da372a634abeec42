//! Properties of a connection, as values: of CONNECT (v5 3.1.2.11), CONNACK (v5 3.2.2.3),
//! DISCONNECT (v5 3.14.2.2) and AUTH (v5 3.15.2.2).
//!
//! An absent value has the default of the standard, and a default value is not written. User
//! properties are not part of these types: [`Properties::user_properties`] reads them, and a writer
//! passes them separately.

use super::fields::{PacketKind, QoS};
use super::properties::{Properties, Property, Value};
use super::property::{Carrier, PropertyId as Id};

/// Names and values of user properties.
pub type UserProperties<'a> = [(&'a str, &'a str)];

/// A session expiry interval that never ends (v5 3.1.2.11.2).
pub const SESSION_NEVER_EXPIRES: u32 = u32::MAX;

/// Properties of a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectProperties<'a> {
    /// Seconds for which the session outlives the connection; 0: it ends with it,
    /// [`SESSION_NEVER_EXPIRES`]: it stays.
    pub session_expiry_s: u32,
    /// The number of unacknowledged messages above QoS 0 that the client accepts, at least 1.
    pub receive_max: u16,
    /// The size of the largest packet that the client accepts, at least 1.
    pub packet_bytes_max: u32,
    /// The largest topic alias that the client accepts; 0: none.
    pub topic_alias_max: u16,
    /// Whether the client asks for response information.
    pub request_response_information: bool,
    /// Whether any packet may have reason strings and user properties, not only CONNACK, PUBLISH
    /// and DISCONNECT [MQTT-3.1.2-29] v5.
    pub request_problem_information: bool,
    /// The method of an enhanced authentication.
    pub authentication_method: Option<&'a str>,
    /// Its data; only with a method.
    pub authentication_data: Option<&'a [u8]>,
}

impl Default for ConnectProperties<'_> {
    fn default() -> Self {
        Self {
            session_expiry_s: 0,
            receive_max: u16::MAX,
            packet_bytes_max: u32::MAX,
            topic_alias_max: 0,
            request_response_information: false,
            request_problem_information: true,
            authentication_method: None,
            authentication_data: None,
        }
    }
}

impl<'a> ConnectProperties<'a> {
    /// Reads the properties of a CONNECT.
    pub fn of(list: Properties<'a>) -> Self {
        let mut read = Self::default();
        for Property { id, value } in list.iter() {
            match (id, value) {
                (Id::SessionExpiry, Value::FourByteInteger(value)) => read.session_expiry_s = value,
                (Id::ReceiveMaximum, Value::TwoByteInteger(value)) => read.receive_max = value,
                (Id::MaximumPacketSize, Value::FourByteInteger(value)) => {
                    read.packet_bytes_max = value;
                }
                (Id::TopicAliasMaximum, Value::TwoByteInteger(value)) => {
                    read.topic_alias_max = value;
                }
                (Id::RequestResponseInformation, Value::Byte(value)) => {
                    read.request_response_information = value == 1;
                }
                (Id::RequestProblemInformation, Value::Byte(value)) => {
                    read.request_problem_information = value == 1;
                }
                (Id::AuthenticationMethod, Value::String(value)) => {
                    read.authentication_method = Some(value);
                }
                (Id::AuthenticationData, Value::BinaryData(value)) => {
                    read.authentication_data = Some(value);
                }
                _ => {}
            }
        }
        read
    }

    /// Lays out the properties in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If the standard forbids a value.
    pub fn lay_out<'s>(
        &self,
        user: &UserProperties<'_>,
        scratch: &'s mut Vec<u8>,
    ) -> Properties<'s> {
        let mut list = List::default();
        list.integer(Id::SessionExpiry, self.session_expiry_s, 0);
        list.short(Id::ReceiveMaximum, self.receive_max, u16::MAX);
        list.integer(Id::MaximumPacketSize, self.packet_bytes_max, u32::MAX);
        list.short(Id::TopicAliasMaximum, self.topic_alias_max, 0);
        list.flag(Id::RequestResponseInformation, self.request_response_information, false);
        list.flag(Id::RequestProblemInformation, self.request_problem_information, true);
        list.string(Id::AuthenticationMethod, self.authentication_method);
        list.binary(Id::AuthenticationData, self.authentication_data);
        list.lay_out(PacketKind::Connect, user, scratch)
    }
}

/// Properties of a CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnackProperties<'a> {
    /// The session expiry interval in force, if it differs from the one that the client asked for.
    pub session_expiry_s: Option<u32>,
    /// The number of unacknowledged messages above QoS 0 that the server accepts, at least 1.
    pub receive_max: u16,
    /// The highest QoS that the server accepts.
    pub qos_max: QoS,
    /// Whether the server keeps retained messages.
    pub retain_available: bool,
    /// The size of the largest packet that the server accepts, at least 1.
    pub packet_bytes_max: u32,
    /// The assigned client identifier; set exactly if the client sent none [MQTT-3.2.2-16] v5.
    pub assigned_client_id: Option<&'a str>,
    /// The largest topic alias that the server accepts; 0: none.
    pub topic_alias_max: u16,
    /// A reason for people.
    pub reason_string: Option<&'a str>,
    /// Whether filters may have wildcards.
    pub wildcard_available: bool,
    /// Whether subscriptions may have identifiers.
    pub subscription_id_available: bool,
    /// Whether subscriptions may be shared.
    pub shared_available: bool,
    /// The keep alive in force, in seconds, if it is not the client's; 0: off.
    pub keep_alive_s: Option<u16>,
    /// Only if the client asked for it [MQTT-3.1.2-28] v5.
    pub response_information: Option<&'a str>,
    /// Another server to go to.
    pub server_reference: Option<&'a str>,
    /// The method of the client's CONNECT.
    pub authentication_method: Option<&'a str>,
    /// Its data; only with a method.
    pub authentication_data: Option<&'a [u8]>,
}

impl Default for ConnackProperties<'_> {
    fn default() -> Self {
        Self {
            session_expiry_s: None,
            receive_max: u16::MAX,
            qos_max: QoS::ExactlyOnce,
            retain_available: true,
            packet_bytes_max: u32::MAX,
            assigned_client_id: None,
            topic_alias_max: 0,
            reason_string: None,
            wildcard_available: true,
            subscription_id_available: true,
            shared_available: true,
            keep_alive_s: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }
}

impl<'a> ConnackProperties<'a> {
    /// Reads the properties of a CONNACK.
    pub fn of(list: Properties<'a>) -> Self {
        let mut read = Self::default();
        for property in list.iter() {
            match property.value {
                Value::Byte(value) => read.take_flag(property.id, value == 1),
                Value::TwoByteInteger(value) => read.take_short(property.id, value),
                Value::FourByteInteger(value) => read.take_integer(property.id, value),
                Value::String(value) => read.take_string(property.id, value),
                Value::BinaryData(value) => read.authentication_data = Some(value),
                Value::VariableByteInteger(_) | Value::StringPair(..) => {}
            }
        }
        read
    }

    fn take_flag(&mut self, id: Id, is_set: bool) {
        match id {
            // 2 is not written [MQTT-3.2.2-9] v5.
            Id::MaximumQoS if is_set => self.qos_max = QoS::AtLeastOnce,
            Id::MaximumQoS => self.qos_max = QoS::AtMostOnce,
            Id::RetainAvailable => self.retain_available = is_set,
            Id::WildcardSubscriptionAvailable => self.wildcard_available = is_set,
            Id::SubscriptionIdAvailable => self.subscription_id_available = is_set,
            Id::SharedSubscriptionAvailable => self.shared_available = is_set,
            _ => {}
        }
    }

    fn take_short(&mut self, id: Id, value: u16) {
        match id {
            Id::ReceiveMaximum => self.receive_max = value,
            Id::TopicAliasMaximum => self.topic_alias_max = value,
            Id::ServerKeepAlive => self.keep_alive_s = Some(value),
            _ => {}
        }
    }

    fn take_integer(&mut self, id: Id, value: u32) {
        match id {
            Id::SessionExpiry => self.session_expiry_s = Some(value),
            Id::MaximumPacketSize => self.packet_bytes_max = value,
            _ => {}
        }
    }

    fn take_string(&mut self, id: Id, value: &'a str) {
        match id {
            Id::AssignedClientId => self.assigned_client_id = Some(value),
            Id::ReasonString => self.reason_string = Some(value),
            Id::ResponseInformation => self.response_information = Some(value),
            Id::ServerReference => self.server_reference = Some(value),
            Id::AuthenticationMethod => self.authentication_method = Some(value),
            _ => {}
        }
    }

    /// Lays out the properties in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If the standard forbids a value.
    pub fn lay_out<'s>(
        &self,
        user: &UserProperties<'_>,
        scratch: &'s mut Vec<u8>,
    ) -> Properties<'s> {
        let mut list = List::default();
        if let Some(seconds) = self.session_expiry_s {
            list.add(Id::SessionExpiry, Value::FourByteInteger(seconds));
        }
        list.short(Id::ReceiveMaximum, self.receive_max, u16::MAX);
        if self.qos_max != QoS::ExactlyOnce {
            list.add(Id::MaximumQoS, Value::Byte(self.qos_max as u8));
        }
        list.flag(Id::RetainAvailable, self.retain_available, true);
        list.integer(Id::MaximumPacketSize, self.packet_bytes_max, u32::MAX);
        list.string(Id::AssignedClientId, self.assigned_client_id);
        list.short(Id::TopicAliasMaximum, self.topic_alias_max, 0);
        list.flag(Id::WildcardSubscriptionAvailable, self.wildcard_available, true);
        list.flag(Id::SubscriptionIdAvailable, self.subscription_id_available, true);
        list.flag(Id::SharedSubscriptionAvailable, self.shared_available, true);
        if let Some(seconds) = self.keep_alive_s {
            list.add(Id::ServerKeepAlive, Value::TwoByteInteger(seconds));
        }
        list.string(Id::ResponseInformation, self.response_information);
        list.string(Id::ServerReference, self.server_reference);
        list.string(Id::AuthenticationMethod, self.authentication_method);
        list.binary(Id::AuthenticationData, self.authentication_data);
        list.string(Id::ReasonString, self.reason_string);
        list.lay_out(PacketKind::Connack, user, scratch)
    }
}

/// Properties of a DISCONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DisconnectProperties<'a> {
    /// From a client: the session expiry interval from now on, if it changes.
    pub session_expiry_s: Option<u32>,
    /// From a server: another server to go to.
    pub server_reference: Option<&'a str>,
    /// A reason for people.
    pub reason_string: Option<&'a str>,
}

impl<'a> DisconnectProperties<'a> {
    /// Reads the properties of a DISCONNECT.
    pub fn of(list: Properties<'a>) -> Self {
        let mut read = Self::default();
        for Property { id, value } in list.iter() {
            match (id, value) {
                (Id::SessionExpiry, Value::FourByteInteger(value)) => {
                    read.session_expiry_s = Some(value);
                }
                (Id::ServerReference, Value::String(value)) => read.server_reference = Some(value),
                (Id::ReasonString, Value::String(value)) => read.reason_string = Some(value),
                _ => {}
            }
        }
        read
    }

    /// Lays out the properties in `scratch`, which is emptied first.
    pub fn lay_out<'s>(
        &self,
        user: &UserProperties<'_>,
        scratch: &'s mut Vec<u8>,
    ) -> Properties<'s> {
        let mut list = List::default();
        if let Some(seconds) = self.session_expiry_s {
            list.add(Id::SessionExpiry, Value::FourByteInteger(seconds));
        }
        list.string(Id::ServerReference, self.server_reference);
        list.string(Id::ReasonString, self.reason_string);
        list.lay_out(PacketKind::Disconnect, user, scratch)
    }
}

/// A step of an enhanced authentication (v5 4.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthProperties<'a> {
    /// The method, the same in each step [MQTT-4.12.0-5] v5.
    pub method: &'a str,
    /// The data of this step.
    pub data: Option<&'a [u8]>,
    /// A reason for people.
    pub reason_string: Option<&'a str>,
}

impl<'a> AuthProperties<'a> {
    /// Reads the properties of an AUTH.
    pub fn of(list: Properties<'a>) -> Self {
        let mut read = Self::default();
        for Property { id, value } in list.iter() {
            match (id, value) {
                (Id::AuthenticationMethod, Value::String(value)) => read.method = value,
                (Id::AuthenticationData, Value::BinaryData(value)) => read.data = Some(value),
                (Id::ReasonString, Value::String(value)) => read.reason_string = Some(value),
                _ => {}
            }
        }
        read
    }

    /// Lays out the properties in `scratch`, which is emptied first.
    pub fn lay_out<'s>(
        &self,
        user: &UserProperties<'_>,
        scratch: &'s mut Vec<u8>,
    ) -> Properties<'s> {
        let mut list = List::default();
        list.string(Id::AuthenticationMethod, Some(self.method));
        list.binary(Id::AuthenticationData, self.data);
        list.string(Id::ReasonString, self.reason_string);
        list.lay_out(PacketKind::Auth, user, scratch)
    }
}

/// Properties to be laid out. Each is there at most once, except for user properties.
#[derive(Default)]
struct List<'a> {
    properties: [Option<Property<'a>>; 16],
    len: usize,
}

impl<'a> List<'a> {
    fn add(&mut self, id: Id, value: Value<'a>) {
        self.properties[self.len] = Some(Property { id, value });
        self.len += 1;
    }

    fn flag(&mut self, id: Id, is_set: bool, default: bool) {
        if is_set != default {
            self.add(id, Value::Byte(u8::from(is_set)));
        }
    }

    fn short(&mut self, id: Id, value: u16, default: u16) {
        if value != default {
            self.add(id, Value::TwoByteInteger(value));
        }
    }

    fn integer(&mut self, id: Id, value: u32, default: u32) {
        if value != default {
            self.add(id, Value::FourByteInteger(value));
        }
    }

    fn string(&mut self, id: Id, value: Option<&'a str>) {
        if let Some(value) = value {
            self.add(id, Value::String(value));
        }
    }

    fn binary(&mut self, id: Id, value: Option<&'a [u8]>) {
        if let Some(value) = value {
            self.add(id, Value::BinaryData(value));
        }
    }

    fn lay_out<'s>(
        self,
        kind: PacketKind,
        user: &UserProperties<'_>,
        scratch: &'s mut Vec<u8>,
    ) -> Properties<'s> {
        let own = self.properties.iter().flatten().copied();
        Properties::lay_out(Carrier::Packet(kind), own.chain(user_list(user)), scratch)
    }
}

/// User properties as properties.
fn user_list<'a>(user: &'a UserProperties<'a>) -> impl Iterator<Item = Property<'a>> {
    user.iter().map(|&(name, value)| Property {
        id: Id::UserProperty,
        value: Value::StringPair(name, value),
    })
}
