//! A WebSocket client that sends exactly the given bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::broker::{Broker, PATIENCE};
use super::packet::{connack, connect};

/// The mask of all frames; any value would do.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of frames: a whole message of MQTT, and control frames.
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// A byte stream to the broker.
pub(crate) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// One connection.
pub(crate) struct WebSocket {
    wire: Box<dyn Wire>,
    /// Received application bytes that were not read yet.
    came: Vec<u8>,
}

/// The request that opens one.
pub(crate) fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n{more}\r\n"
    )
}

/// A frame without a mask, as a server sends it.
pub(crate) fn frame_of_server(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![u8::try_from(short).expect("short")],
        long @ 126..65_536 => {
            [&[126][..], &u16::try_from(long).expect("16 bits").to_be_bytes()].concat()
        }
        longer => [&[127][..], &(longer as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &length, payload].concat()
}

/// The same with a mask, as a client must send it.
pub(crate) fn frame_of_client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_of_server(first, payload);
    let header = frame.len() - payload.len();
    frame[1] |= 0x80;
    frame.splice(header..header, MASK);
    frame[header + 4..].iter_mut().zip(MASK.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    frame
}

impl WebSocket {
    /// Opens one to a broker's first listener.
    #[track_caller]
    pub(crate) fn open(broker: &Broker) -> Self {
        Self::open_over(Box::new(socket(broker)))
    }

    /// Opens one over a stream.
    #[track_caller]
    pub(crate) fn open_over(mut wire: Box<dyn Wire>) -> Self {
        wire.write_all(request("/mqtt", "").as_bytes()).expect("the connection is open");
        let mut client = Self { wire, came: Vec::new() };
        let answer = client.read_header();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer.contains("Sec-WebSocket-Protocol: mqtt\r\n"), "{answer}");
        client
    }

    /// Connects with a clean session.
    #[track_caller]
    pub(crate) fn connect(broker: &Broker, id: &str) -> Self {
        let mut client = Self::open(broker);
        client.send(&connect(id).bytes());
        client.expect(&connack(false, 0));
        client
    }

    /// The header of an HTTP answer, read byte by byte: the next bytes are a frame.
    #[track_caller]
    fn read_header(&mut self) -> String {
        let mut header = Vec::new();
        while !header.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.wire.read_exact(&mut byte).expect("an answer comes");
            header.extend(byte);
        }
        String::from_utf8(header).expect("is text")
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).expect("the connection is open");
    }

    /// The same to a broker that may be closing.
    pub(crate) fn send_to_closing(&mut self, bytes: &[u8]) {
        // A reset shows in the read that follows.
        let _ = self.wire.write_all(bytes);
    }

    /// Sends application bytes in one frame.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.send_raw(&frame_of_client(BINARY, bytes));
    }

    /// The next frame, or `None` if the broker has closed.
    #[track_caller]
    pub(crate) fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 2];
        match self.wire.read(&mut header[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("a frame or the end was due: {error}"),
        }
        self.wire.read_exact(&mut header[1..]).expect("a header is whole");
        assert!(header[1] < 0x80, "a server masks nothing");
        let mut exact = |bytes: usize| {
            let mut length = vec![0; bytes];
            self.wire.read_exact(&mut length).expect("a frame is whole");
            length
        };
        let length = match header[1] {
            126 => exact(2),
            127 => exact(8),
            short => vec![short],
        };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        Some((header[0], exact(length)))
    }

    /// The next frame is this.
    #[track_caller]
    pub(crate) fn expect_frame(&mut self, first: u8, payload: &[u8]) {
        assert!(self.came.is_empty(), "application bytes came before it");
        assert_eq!(self.read_frame(), Some((first, payload.to_vec())));
    }

    /// The next application bytes are these, in whatever frames.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let came = self.read_bytes(bytes.len());
        assert!(came == bytes, "due: {bytes:02x?}\ncame: {came:02x?}");
    }

    /// The next `count` application bytes, in any frames.
    #[track_caller]
    pub(crate) fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.came.len() < count {
            let (first, payload) = self.read_frame().expect("the connection is open");
            assert_eq!(first, BINARY, "binary and whole: {payload:02x?}");
            self.came.extend(payload);
        }
        let rest = self.came.split_off(count);
        std::mem::replace(&mut self.came, rest)
    }

    /// The broker says why it closes, and does.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) {
        self.expect_frame(CLOSE, &code.to_be_bytes());
        assert_eq!(self.read_frame(), None);
    }

    /// Closes as a browser does.
    #[track_caller]
    pub(crate) fn close(mut self) {
        self.send_raw(&frame_of_client(CLOSE, &1000_u16.to_be_bytes()));
        self.expect_close(1000);
    }
}

/// A socket to a broker's first listener.
pub(crate) fn socket(broker: &Broker) -> TcpStream {
    let socket = TcpStream::connect(broker.addr()).expect("the broker listens");
    prepare(&socket);
    socket
}

/// Sets the options of a test's socket.
pub(crate) fn prepare(socket: &TcpStream) {
    socket.set_nodelay(true).expect("a TCP socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket.set_write_timeout(Some(PATIENCE)).expect("not zero");
}
