//! MQTT 3.1 and 3.1.1 packets as bytes, written from the standard.

pub(crate) const PINGREQ: &[u8] = &[0xc0, 0];
pub(crate) const PINGRESP: &[u8] = &[0xd0, 0];
pub(crate) const DISCONNECT: &[u8] = &[0xe0, 0];

/// A whole packet: first byte, remaining length, body (2.2).
pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let digit = u8::try_from(rest % 128).expect("below 128");
        rest /= 128;
        if rest == 0 {
            packet.push(digit);
            break;
        }
        packet.push(digit | 0x80);
    }
    packet.extend_from_slice(body);
    packet
}

/// A string with its two length bytes (1.5.3). The content may be anything.
pub(crate) fn string(content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut bytes = u16_bytes(content.len()).to_vec();
    bytes.extend_from_slice(content);
    bytes
}

fn u16_bytes(value: usize) -> [u8; 2] {
    u16::try_from(value).expect("at most 65,535").to_be_bytes()
}

/// CONNECT (3.1).
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) name: Vec<u8>,
    pub(crate) level: u8,
    pub(crate) flags: u8,
    pub(crate) keep_alive: u16,
    /// Client id, will topic, will message, user name, password: those there are.
    pub(crate) payload: Vec<u8>,
}

/// A CONNECT of 3.1.1 with a clean session and no keep alive.
pub(crate) fn connect(id: impl AsRef<[u8]>) -> Connect {
    Connect { name: b"MQTT".to_vec(), level: 4, flags: 0x02, keep_alive: 0, payload: string(id) }
}

impl Connect {
    /// Clean session 0.
    pub(crate) fn persistent(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    /// MQTT 3.1 instead of 3.1.1.
    pub(crate) fn v31(self) -> Self {
        self.protocol("MQIsdp", 3)
    }

    pub(crate) fn protocol(mut self, name: &str, level: u8) -> Self {
        self.name = name.as_bytes().to_vec();
        self.level = level;
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Adds a will; call it before `username`.
    pub(crate) fn will(mut self, will: &Publish) -> Self {
        self.flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        self.payload.extend(string(&will.topic));
        self.payload.extend(string(&will.payload));
        self
    }

    pub(crate) fn username(mut self, name: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x80;
        self.payload.extend(string(name));
        self
    }

    pub(crate) fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.flags |= 0x40;
        self.payload.extend(string(password));
        self
    }

    /// Sets flag bits without the fields that belong to them.
    pub(crate) fn raw_flags(mut self, bits: u8) -> Self {
        self.flags |= bits;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = string(&self.name);
        body.push(self.level);
        body.push(self.flags);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(&self.payload);
        frame(0x10, &body)
    }
}

/// CONNACK (3.2).
pub(crate) fn connack(session_present: bool, code: u8) -> Vec<u8> {
    vec![0x20, 2, u8::from(session_present), code]
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
    }
}

impl Publish {
    pub(crate) fn qos1(mut self, id: u16) -> Self {
        self.qos = 1;
        self.id = id;
        self
    }

    pub(crate) fn qos2(mut self, id: u16) -> Self {
        self.qos = 2;
        self.id = id;
        self
    }

    /// With this QoS; the id is 0 until it is sent or compared.
    pub(crate) fn at(mut self, qos: u8) -> Self {
        self.qos = qos;
        self.id = 0;
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

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let first = 0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        let mut body = string(&self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        body.extend(&self.payload);
        frame(first, &body)
    }

    /// Reads a whole packet; panics if it is no PUBLISH.
    #[track_caller]
    pub(crate) fn parse(packet: &[u8]) -> Self {
        let first = packet[0];
        assert_eq!(first >> 4, 3, "a PUBLISH was due, this came: {packet:02x?}");
        let header = 1 + packet[1..].iter().position(|digit| digit & 0x80 == 0).expect("ends") + 1;
        let body = &packet[header..];
        let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(topic_bytes);
        let qos = first >> 1 & 3;
        let (id, payload) = match qos {
            0 => (0, rest),
            _ => (u16::from_be_bytes([rest[0], rest[1]]), &rest[2..]),
        };
        Self {
            topic: topic.to_vec(),
            payload: payload.to_vec(),
            qos,
            dup: first & 8 != 0,
            retain: first & 1 != 0,
            id,
        }
    }
}

/// PUBACK (3.4).
pub(crate) fn puback(id: u16) -> Vec<u8> {
    frame(0x40, &id.to_be_bytes())
}

/// PUBREC (3.5).
pub(crate) fn pubrec(id: u16) -> Vec<u8> {
    frame(0x50, &id.to_be_bytes())
}

/// PUBREL (3.6).
pub(crate) fn pubrel(id: u16) -> Vec<u8> {
    frame(0x62, &id.to_be_bytes())
}

/// PUBCOMP (3.7).
pub(crate) fn pubcomp(id: u16) -> Vec<u8> {
    frame(0x70, &id.to_be_bytes())
}

/// SUBSCRIBE (3.8).
pub(crate) fn subscribe(id: u16, entries: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in entries {
        body.extend(string(filter));
        body.push(*qos);
    }
    frame(0x82, &body)
}

/// SUBACK (3.9).
pub(crate) fn suback(id: u16, codes: &[u8]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.extend(codes);
    frame(0x90, &body)
}

/// UNSUBSCRIBE (3.10).
pub(crate) fn unsubscribe(id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for filter in filters {
        body.extend(string(filter));
    }
    frame(0xa2, &body)
}

/// UNSUBACK (3.11).
pub(crate) fn unsuback(id: u16) -> Vec<u8> {
    frame(0xb0, &id.to_be_bytes())
}
