//! A way to a broker on which what the bridge says can get lost.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::process::TempDir;

/// A socket that leads to that of a broker.
pub(crate) struct Deaf {
    directory: TempDir,
    is_deaf: Arc<AtomicBool>,
}

impl Deaf {
    pub(crate) fn to(broker: PathBuf) -> Self {
        let (directory, is_deaf) = (TempDir::new(), Arc::new(AtomicBool::new(false)));
        let listener = UnixListener::bind(directory.join("mqtt.sock")).expect("is ours");
        let shared = is_deaf.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // The broker may be killed.
                let Ok(server) = UnixStream::connect(&broker) else { continue };
                let (from_server, to_client) = (server.try_clone(), client.try_clone());
                let always = Arc::new(AtomicBool::new(false));
                let (from_server, to_client) =
                    (from_server.expect("open"), to_client.expect("open"));
                thread::spawn(move || pass_on(from_server, to_client, &always));
                let is_deaf = shared.clone();
                thread::spawn(move || pass_on(client, server, &is_deaf));
            }
        });
        Self { directory, is_deaf }
    }

    /// As the configuration names it.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.directory.join("mqtt.sock").display())
    }

    /// From now on the broker gets nothing of what the bridge sends.
    pub(crate) fn lose(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::SeqCst);
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream, is_deaf: &AtomicBool) {
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !is_deaf.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
