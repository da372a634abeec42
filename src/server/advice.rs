//! What to do about an error of the system that says too little: which limit it is, and where to
//! raise it.

use std::io;

use rustix::process::{Resource, getrlimit};

/// Words to stand behind an error, with `; ` before them; none if it says enough.
pub(super) fn of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE) => format!("; {}", raise_files(getrlimit(Resource::Nofile).current)),
        Some(libc::ENFILE) => "; all processes of this host together have as many files open as \
                               they may: raise it with sysctl -w fs.file-max=N"
            .to_owned(),
        _ => String::new(),
    }
}

/// How a process may open more files than `files`; `None` is unlimited.
pub(super) fn raise_files(files: Option<u64>) -> String {
    let files = files.map_or("any number of".to_owned(), |files| files.to_string());
    format!(
        "this process may have {files} files open, and each connection is one: raise it with \
         ulimit -n N (shell), LimitNOFILE=N (systemd) or --ulimit nofile=N (docker)"
    )
}
