//! A link between two programs that the test cuts, holds or slows.
//!
//! It listens where one program connects, and passes bytes on to where the other one listens.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Bytes pass.
    Open,
    /// Connections stay and nothing passes, as if a cable were pulled.
    Held,
    /// Connections end and new ones are closed.
    Cut,
    /// As many bytes a second pass in each direction of each connection.
    Slow(u64),
}

/// Where a program listens.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Tcp(u16),
    Unix(PathBuf),
}

/// One end of a connection.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Default)]
struct Streams(Vec<Stream>);

struct Shared {
    state: Mutex<(Way, bool, Streams)>,
    changed: Condvar,
}

/// A link. A drop cuts it.
pub(crate) struct Link {
    shared: Arc<Shared>,
    place: Place,
}

impl Link {
    /// A link from a port that the system gives to a port of this host.
    pub(crate) fn tcp(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("is bound").port();
        Self::start(Listener::Tcp(listener), Place::Tcp(port), Place::Tcp(to))
    }

    /// A link from a new socket to another.
    pub(crate) fn unix(from: PathBuf, to: PathBuf) -> Self {
        let listener = UnixListener::bind(&from).expect("the directory is writable");
        Self::start(Listener::Unix(listener), Place::Unix(from), Place::Unix(to))
    }

    fn start(listener: Listener, place: Place, to: Place) -> Self {
        let state = Mutex::new((Way::Open, false, Streams::default()));
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let accepting = shared.clone();
        thread::spawn(move || {
            while let Ok(near) = listener.accept() {
                if accepting.lock().1 {
                    return;
                }
                accepting.join(near, &to);
            }
        });
        Self { shared, place }
    }

    /// The port at which it listens.
    pub(crate) fn port(&self) -> u16 {
        match &self.place {
            Place::Tcp(port) => *port,
            Place::Unix(path) => panic!("{} is no port", path.display()),
        }
    }

    pub(crate) fn set(&self, way: Way) {
        let mut state = self.shared.lock();
        state.0 = way;
        if way == Way::Cut {
            state.2.end();
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.1 = true;
        state.2.end();
        drop(state);
        self.shared.changed.notify_all();
        // The accepting thread ends at the next connection.
        let _ = Stream::connect(&self.place);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Way, bool, Streams)> {
        self.state.lock().expect("no holder panics")
    }

    /// Passes on what comes on a connection; ends it if nobody listens on the other side.
    fn join(self: &Arc<Self>, near: Stream, to: &Place) {
        let Ok(far) = Stream::connect(to) else { return near.end() };
        let mut state = self.lock();
        if state.0 == Way::Cut {
            near.end();
            return far.end();
        }
        for (from, to) in [(near.copy(), far.copy()), (far.copy(), near.copy())] {
            let shared = self.clone();
            thread::spawn(move || shared.pump(from, to));
        }
        state.2.0.extend([near, far]);
    }

    fn pump(&self, mut from: Stream, mut to: Stream) {
        let mut bytes = [0; 16_384];
        loop {
            let room = if matches!(self.lock().0, Way::Slow(_)) { 1024 } else { bytes.len() };
            let count = match from.read(&mut bytes[..room]) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            self.wait_for_turn(count);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        from.end();
        to.end();
    }

    /// Waits until the link lets so many bytes pass.
    fn wait_for_turn(&self, count: usize) {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            state = match state.0 {
                _ if state.1 => return,
                Way::Open | Way::Cut => return,
                Way::Held => self.changed.wait(state).expect("no holder panics"),
                Way::Slow(rate) => {
                    let all = Duration::from_micros(count as u64 * 1_000_000 / rate);
                    let Some(rest) = all.checked_sub(begun.elapsed()) else { return };
                    self.changed.wait_timeout(state, rest).expect("no holder panics").0
                }
            };
        }
    }
}

impl Streams {
    fn end(&mut self) {
        self.0.drain(..).for_each(|stream| stream.end());
    }
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Stream {
    fn connect(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(port) => TcpStream::connect(("127.0.0.1", *port)).map(Self::Tcp),
            Place::Unix(path) => UnixStream::connect(path).map(Self::Unix),
        }
    }

    fn copy(&self) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().expect("files are left")),
            Self::Unix(stream) => Self::Unix(stream.try_clone().expect("files are left")),
        }
    }

    fn end(&self) {
        // The other side may have ended it.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
