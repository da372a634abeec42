//! Advice for system errors whose own text says too little: which limit was reached, and where to
//! raise it.

use std::io;

use rustix::process::{Resource, getrlimit};

/// Text to append to an error, beginning with `; `; empty if the error says enough.
pub fn of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE) => format!("; {}", raise_files(files_max())),
        Some(libc::ENFILE) => "; all processes of this host together have as many files open as \
                               they may: raise it with sysctl -w fs.file-max=N"
            .to_owned(),
        _ => String::new(),
    }
}

/// The number of files that this process may have open; `None`: unlimited.
pub fn files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How to raise the limit of open files.
pub fn raise_files(files: Option<u64>) -> String {
    let files = files.map_or("any number of".to_owned(), |files| files.to_string());
    format!(
        "this process may have {files} files open, each connection is one: raise it with ulimit \
         -n N (shell), LimitNOFILE=N (systemd), --ulimit nofile=N (docker)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Errors about a limit name it and where to raise it; other errors get no advice.
    #[test]
    fn limits_are_named() {
        for (errno, words) in [
            (libc::EMFILE, "raise it with ulimit -n N (shell), LimitNOFILE=N (systemd)"),
            (libc::EMFILE, &*format!("may have {} files open", files_max().unwrap_or(0))),
            (libc::ENFILE, "sysctl -w fs.file-max=N"),
        ] {
            let text = of(&io::Error::from_raw_os_error(errno));
            assert!(text.starts_with("; ") && text.contains(words), "{text}");
        }
        assert_eq!(of(&io::Error::from_raw_os_error(libc::ENOSPC)), "");
        assert_eq!(of(&io::Error::other("no number")), "");
    }
}
