//! Files of users and rules, written for one test and removed with it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::Broker;
use crate::common::Client;
use crate::common::{Connect, connect};

/// Each user's password is this and the user's name.
pub(crate) const PASSWORD: &str = "password of ";

/// A directory of files.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringmq-entry-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path of a file, as a flag takes it.
    pub(crate) fn flag(&self, flag: &str, name: &str) -> String {
        format!("{flag}={}", self.path(name).display())
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is writable");
        fs::write(path, text).expect("it is writable");
    }

    /// Writes a password file with these users.
    pub(crate) fn write_users(&self, name: &str, users: &[&str]) {
        let lines = users.iter().map(|user| format!("{user}:{}\n", Self::secret_of(user)));
        self.write(name, &lines.collect::<String>());
    }

    /// The text after a user's name.
    pub(crate) fn secret_of(user: &str) -> &'static str {
        SECRETS.iter().find(|(known, _)| *known == user).expect("it is known").1
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_dir_all(self.path(name)).expect("it is there");
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Remaining files are in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Users, and SHA-512 of their passwords and a salt.
const SECRETS: &[(&str, &str)] = &[
    (
        "anna",
        "$6$c2FsdHNhbHQxMjM0$CTcV8GEVGWJPbcQ1xEPKV29Nwkgby8rn9D6FAZGq\
         kmznzTL4YUJN1xS21FGpITQE6XVkrNbTZzeb5i+CMjgFKg==",
    ),
    (
        "ben",
        "$6$c2FsdHNhbHQxMjM0$4QI6gSHeNCOnydijajXJa4CjFOGrEx5+7FjfSBgr\
         E9x+Buax82JgSMJfdG8ooYsbKdoyVfLl8YAy4R1QPB72XQ==",
    ),
    (
        "carla",
        "$6$c2FsdHNhbHQxMjM0$nk0XlLjrf92qhGIzAuNrcZcxyJsVwO3/hsXaI7wJ\
         aU8lX8FQ5W0ZeSBxAUd1+LODXfHaMiT/bhiLa/xbttIZAw==",
    ),
    (
        "dora",
        "$6$c2FsdHNhbHQxMjM0$pjy8XQjaHyV1YE8JJ4KBQwKQ77mOzvCXIT38VNGR\
         DQkmpYtGi9INrIIeFAo0KIOQL5CAf2tYOjMSQxDIclWKkw==",
    ),
];

/// A CONNECT of a user with the right password.
pub(crate) fn connect_as(user: &str, id: &str) -> Connect {
    let name = user.rsplit(':').next().expect("there is at least one part");
    connect(id).username(user).password(format!("{PASSWORD}{name}"))
}

/// A user that logged in.
#[track_caller]
pub(crate) fn enter(broker: &Broker, user: &str, id: &str) -> Client {
    Client::connect_with(broker, &connect_as(user, id))
}

/// The code of the CONNACK; after any but 0 the connection ends.
#[track_caller]
pub(crate) fn answer(broker: &Broker, connect: &Connect) -> u8 {
    let mut client = Client::open(broker);
    client.send(&connect.bytes());
    let connack = client.read_packet();
    assert_eq!(connack[..2], [0x20, 2]);
    match connack[3] {
        // The next client may have the same id, and must not get this session.
        0 => client.leave(),
        _ => client.expect_closed(),
    }
    connack[3]
}
