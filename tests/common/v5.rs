//! MQTT 5 packets as bytes, written and read from the standard.

use super::packet::{frame, string};

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Varint(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

/// Identifiers of properties.
pub(crate) mod id {
    pub(crate) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(crate) const CONTENT_TYPE: u8 = 0x03;
    pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
    pub(crate) const CORRELATION_DATA: u8 = 0x09;
    pub(crate) const SUBSCRIPTION_ID: u8 = 0x0b;
    pub(crate) const SESSION_EXPIRY: u8 = 0x11;
    pub(crate) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(crate) const AUTH_METHOD: u8 = 0x15;
    pub(crate) const AUTH_DATA: u8 = 0x16;
    pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(crate) const WILL_DELAY: u8 = 0x18;
    pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(crate) const RESPONSE_INFORMATION: u8 = 0x1a;
    pub(crate) const SERVER_REFERENCE: u8 = 0x1c;
    pub(crate) const REASON_STRING: u8 = 0x1f;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(crate) const TOPIC_ALIAS: u8 = 0x23;
    pub(crate) const MAXIMUM_QOS: u8 = 0x24;
    pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(crate) const USER_PROPERTY: u8 = 0x26;
    pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(crate) const WILDCARD_AVAILABLE: u8 = 0x28;
    pub(crate) const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
    pub(crate) const SHARED_AVAILABLE: u8 = 0x2a;
}

/// Properties, in order. They may be any, also some that no packet has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Props(pub(crate) Vec<(u8, Value)>);

/// No properties yet.
pub(crate) fn props() -> Props {
    Props::default()
}

impl Props {
    pub(crate) fn with(mut self, id: u8, value: Value) -> Self {
        self.0.push((id, value));
        self
    }

    pub(crate) fn byte(self, id: u8, value: u8) -> Self {
        self.with(id, Value::Byte(value))
    }

    pub(crate) fn two(self, id: u8, value: u16) -> Self {
        self.with(id, Value::Two(value))
    }

    pub(crate) fn four(self, id: u8, value: u32) -> Self {
        self.with(id, Value::Four(value))
    }

    pub(crate) fn varint(self, id: u8, value: u32) -> Self {
        self.with(id, Value::Varint(value))
    }

    pub(crate) fn text(self, id: u8, value: &str) -> Self {
        self.with(id, Value::Text(value.to_owned()))
    }

    pub(crate) fn binary(self, id: u8, value: impl AsRef<[u8]>) -> Self {
        self.with(id, Value::Binary(value.as_ref().to_vec()))
    }

    /// A user property.
    pub(crate) fn user(self, name: &str, value: &str) -> Self {
        self.with(id::USER_PROPERTY, Value::Pair(name.to_owned(), value.to_owned()))
    }

    /// The first value of this property.
    pub(crate) fn get(&self, id: u8) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, id: u8) -> bool {
        self.get(id).is_some()
    }

    /// The first value of this property, if it is a number.
    pub(crate) fn number(&self, id: u8) -> Option<u32> {
        match *self.get(id)? {
            Value::Byte(value) => Some(value.into()),
            Value::Two(value) => Some(value.into()),
            Value::Four(value) | Value::Varint(value) => Some(value),
            Value::Text(_) | Value::Binary(_) | Value::Pair(..) => None,
        }
    }

    /// The first value of this property, if it is text.
    pub(crate) fn str(&self, id: u8) -> Option<&str> {
        match self.get(id)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The user properties, in order.
    pub(crate) fn users(&self) -> Vec<(&str, &str)> {
        let values = self.0.iter().map(|(_, value)| value);
        values
            .filter_map(|value| match value {
                Value::Pair(name, value) => Some((name.as_str(), value.as_str())),
                _ => None,
            })
            .collect()
    }

    /// All subscription identifiers, sorted.
    pub(crate) fn subscription_ids(&self) -> Vec<u32> {
        let number = |(id, value): &(u8, Value)| match value {
            Value::Varint(number) if *id == id::SUBSCRIPTION_ID => Some(*number),
            _ => None,
        };
        let mut ids: Vec<u32> = self.0.iter().filter_map(number).collect();
        ids.sort_unstable();
        ids
    }

    /// The properties without this one.
    pub(crate) fn without(&self, id: u8) -> Self {
        Self(self.0.iter().filter(|(known, _)| *known != id).cloned().collect())
    }

    /// The bytes, behind their length.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut list = Vec::new();
        for (id, value) in &self.0 {
            list.push(*id);
            match value {
                Value::Byte(value) => list.push(*value),
                Value::Two(value) => list.extend(value.to_be_bytes()),
                Value::Four(value) => list.extend(value.to_be_bytes()),
                Value::Varint(value) => list.extend(varint(*value as usize)),
                Value::Text(text) => list.extend(string(text)),
                Value::Binary(bytes) => list.extend(string(bytes)),
                Value::Pair(name, value) => list.extend([string(name), string(value)].concat()),
            }
        }
        [varint(list.len()), list].concat()
    }
}

/// A variable byte integer in as few bytes as it takes (1.5.5).
pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).expect("below 128") | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).expect("below 128"));
    bytes
}

/// CONNECT (3.1).
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    pub(crate) flags: u8,
    pub(crate) keep_alive: u16,
    pub(crate) props: Props,
    pub(crate) id: Vec<u8>,
    pub(crate) will: Option<Publish>,
    pub(crate) username: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
}

/// A CONNECT with clean start and no keep alive.
pub(crate) fn connect(id: impl AsRef<[u8]>) -> Connect {
    Connect {
        flags: 0x02,
        keep_alive: 0,
        props: props(),
        id: id.as_ref().to_vec(),
        will: None,
        username: None,
        password: None,
    }
}

impl Connect {
    /// Clean start 0.
    pub(crate) fn resume(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    /// Clean Start 0 and a session expiry interval.
    pub(crate) fn durable(self, seconds: u32) -> Self {
        self.resume().with(|props| props.four(id::SESSION_EXPIRY, seconds))
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Adds properties.
    pub(crate) fn with(mut self, add: impl FnOnce(Props) -> Props) -> Self {
        self.props = add(self.props);
        self
    }

    /// Adds a will; its properties are those of the message.
    pub(crate) fn will(mut self, will: &Publish) -> Self {
        self.will = Some(will.clone());
        self
    }

    pub(crate) fn username(mut self, name: impl AsRef<[u8]>) -> Self {
        self.username = Some(name.as_ref().to_vec());
        self
    }

    pub(crate) fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.password = Some(password.as_ref().to_vec());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut flags = self.flags;
        let mut payload = string(&self.id);
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
            payload.extend(will.props.bytes());
            payload.extend([string(&will.topic), string(&will.payload)].concat());
        }
        if let Some(name) = &self.username {
            flags |= 0x80;
            payload.extend(string(name));
        }
        if let Some(password) = &self.password {
            flags |= 0x40;
            payload.extend(string(password));
        }
        let mut body = string("MQTT");
        body.extend([5, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        frame(0x10, &[body, self.props.bytes(), payload].concat())
    }
}

/// PUBLISH (3.3), to send or as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    /// 0 if QoS 0.
    pub(crate) id: u16,
    pub(crate) props: Props,
}

/// A PUBLISH with QoS 0.
pub(crate) fn publish(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
    Publish {
        topic: topic.as_ref().to_vec(),
        payload: payload.as_ref().to_vec(),
        qos: 0,
        dup: false,
        retain: false,
        id: 0,
        props: props(),
    }
}

impl Publish {
    pub(crate) fn qos1(mut self, id: u16) -> Self {
        (self.qos, self.id) = (1, id);
        self
    }

    pub(crate) fn qos2(mut self, id: u16) -> Self {
        (self.qos, self.id) = (2, id);
        self
    }

    /// With this QoS; the id is 0 until it is sent or compared.
    pub(crate) fn at(mut self, qos: u8) -> Self {
        (self.qos, self.id) = (qos, 0);
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(crate) fn again(mut self) -> Self {
        self.dup = true;
        self
    }

    /// Adds properties.
    pub(crate) fn with(mut self, add: impl FnOnce(Props) -> Props) -> Self {
        self.props = add(self.props);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let first = 0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        let mut body = string(&self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        frame(first, &[&body, &*self.props.bytes(), &self.payload].concat())
    }
}

/// A packet of a server, except PUBLISH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The first byte.
    pub(crate) first: u8,
    /// CONNACK: the acknowledge flags, others: 0.
    pub(crate) flags: u8,
    /// 0 if it has none.
    pub(crate) id: u16,
    /// One, or for SUBACK and UNSUBACK those of all filters; 0 where it is left out.
    pub(crate) codes: Vec<u8>,
    pub(crate) props: Props,
}

/// A packet of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Publish(Publish),
    Answer(Answer),
}

impl Packet {
    /// Reads a whole packet; panics if it is not one that a server may send.
    #[track_caller]
    pub(crate) fn parse(packet: &[u8]) -> Self {
        let (first, mut body) = (packet[0], Body(packet));
        body.take(1);
        let remaining = body.varint();
        assert_eq!(body.0.len(), remaining, "one packet: {packet:02x?}");
        if first >> 4 == 3 {
            return Self::Publish(parse_publish(first, body));
        }
        let mut answer = Answer { first, flags: 0, id: 0, codes: vec![0], props: props() };
        match first {
            0x20 => {
                answer.flags = body.byte();
                answer.codes = vec![body.byte()];
                answer.props = body.props();
            }
            0x40 | 0x50 | 0x62 | 0x70 | 0xe0 | 0xf0 => {
                if first < 0xe0 {
                    answer.id = body.two();
                }
                if !body.0.is_empty() {
                    answer.codes = vec![body.byte()];
                }
                if !body.0.is_empty() {
                    answer.props = body.props();
                }
            }
            0x90 | 0xb0 => {
                answer.id = body.two();
                answer.props = body.props();
                answer.codes = body.take(body.0.len()).to_vec();
                assert!(!answer.codes.is_empty(), "no codes: {packet:02x?}");
            }
            0xd0 => {}
            _ => panic!("no packet of a server: {packet:02x?}"),
        }
        assert!(body.0.is_empty(), "bytes are left over: {packet:02x?}");
        Self::Answer(answer)
    }
}

fn parse_publish(first: u8, mut body: Body<'_>) -> Publish {
    let topic = body.binary();
    let qos = first >> 1 & 3;
    assert!(qos < 3, "QoS 3");
    let id = if qos > 0 { body.two() } else { 0 };
    assert_eq!(qos > 0, id > 0, "an id goes with QoS 1 and 2");
    let props = body.props();
    let allowed = [0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26];
    assert!(props.0.iter().all(|(id, _)| allowed.contains(id)), "not of a PUBLISH: {props:?}");
    let payload = body.take(body.0.len()).to_vec();
    Publish { topic, payload, qos, dup: first & 8 != 0, retain: first & 1 != 0, id, props }
}

/// The rest of a packet.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        assert!(count <= self.0.len(), "a field runs past the end: {count}, {:02x?}", self.0);
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().expect("two"))
    }

    fn four(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().expect("four"))
    }

    fn varint(&mut self) -> usize {
        let digits = 1 + self.0.iter().position(|digit| digit & 128 == 0).expect("it ends");
        assert!(digits <= 4, "five digits");
        let taken = self.take(digits);
        let value = taken.iter().rev().fold(0, |sum, digit| sum * 128 + usize::from(digit & 127));
        assert_eq!(varint(value), taken, "padded");
        value
    }

    fn binary(&mut self) -> Vec<u8> {
        let count = usize::from(self.two());
        self.take(count).to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.binary()).expect("UTF-8")
    }

    fn props(&mut self) -> Props {
        let count = self.varint();
        let mut list = Body(self.take(count));
        let mut props = props();
        while !list.0.is_empty() {
            let id = list.byte();
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Value::Byte(list.byte()),
                0x13 | 0x21 | 0x22 | 0x23 => Value::Two(list.two()),
                0x02 | 0x11 | 0x18 | 0x27 => Value::Four(list.four()),
                0x0b => Value::Varint(list.varint().try_into().expect("four digits")),
                0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => Value::Text(list.text()),
                0x09 | 0x16 => Value::Binary(list.binary()),
                0x26 => Value::Pair(list.text(), list.text()),
                _ => panic!("{id:#04x} is no property"),
            };
            let repeats = id == id::USER_PROPERTY || id == id::SUBSCRIPTION_ID;
            assert!(repeats || !props.has(id), "property {id:#04x} twice");
            props = props.with(id, value);
        }
        props
    }
}

/// CONNACK (3.2).
pub(crate) fn connack(session_present: bool, code: u8, props: &Props) -> Vec<u8> {
    frame(0x20, &[&[u8::from(session_present), code][..], &props.bytes()].concat())
}

/// An acknowledgement with a code: PUBACK `40`, PUBREC `50`, PUBREL `62`, PUBCOMP `70`. Success and
/// no properties take the short form.
pub(crate) fn ack(first: u8, id: u16, code: u8, props: &Props) -> Vec<u8> {
    frame(first, &[id.to_be_bytes().to_vec(), ending(code, props)].concat())
}

/// DISCONNECT (3.14).
pub(crate) fn disconnect(code: u8, props: &Props) -> Vec<u8> {
    frame(0xe0, &ending(code, props))
}

/// AUTH (3.15).
pub(crate) fn auth(code: u8, props: &Props) -> Vec<u8> {
    frame(0xf0, &[&[code][..], &props.bytes()].concat())
}

/// A code and properties, as short as they can be.
fn ending(code: u8, props: &Props) -> Vec<u8> {
    match (code, props.0.is_empty()) {
        (0, true) => Vec::new(),
        (code, true) => vec![code],
        (code, false) => [&[code][..], &props.bytes()].concat(),
    }
}

/// SUBSCRIBE (3.8): filters with their options.
pub(crate) fn subscribe(id: u16, props: &Props, entries: &[(&str, u8)]) -> Vec<u8> {
    let mut body = [&id.to_be_bytes()[..], &props.bytes()].concat();
    for (filter, options) in entries {
        body.extend(string(filter));
        body.push(*options);
    }
    frame(0x82, &body)
}

/// SUBACK (3.9) without properties.
pub(crate) fn suback(id: u16, codes: &[u8]) -> Vec<u8> {
    frame(0x90, &[&id.to_be_bytes()[..], &[0], codes].concat())
}

/// UNSUBSCRIBE (3.10).
pub(crate) fn unsubscribe(id: u16, props: &Props, filters: &[&str]) -> Vec<u8> {
    let mut body = [&id.to_be_bytes()[..], &props.bytes()].concat();
    filters.iter().for_each(|filter| body.extend(string(filter)));
    frame(0xa2, &body)
}

/// UNSUBACK (3.11) without properties.
pub(crate) fn unsuback(id: u16, codes: &[u8]) -> Vec<u8> {
    frame(0xb0, &[&id.to_be_bytes()[..], &[0], codes].concat())
}

/// Options of a subscription besides its QoS (3.8.3.1).
pub(crate) mod option {
    pub(crate) const NO_LOCAL: u8 = 0x04;
    pub(crate) const RETAIN_AS_PUBLISHED: u8 = 0x08;
    pub(crate) const RETAIN_IF_NEW: u8 = 0x10;
    pub(crate) const RETAIN_NEVER: u8 = 0x20;
}
