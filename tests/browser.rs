//! The page for operators in Debian's Chromium (headless), with real clients at the broker.
//! `tests/clients/browser_suite.py` has the expectations.
//!
//! `scripts/test` makes the environments below `target/test-env`.

mod common;
#[path = "admin/http.rs"]
#[allow(dead_code, reason = "each test target uses its own part")]
mod http;

use std::fs;
use std::process::Command;

use common::{DataDir, ReservedPort, in_repository, run};

/// Every page shows the broker's data as text. No request leaves the origin. A token with the right
/// to read sees no controls for changes.
#[test]
fn every_page() {
    let files = DataDir::fresh();
    fs::create_dir_all(files.path()).expect("there is room");
    let tokens = files.path().join("tokens");
    // printf %s read-only-token | sha256sum
    let hash = "a79bbcbfc3f84f7c87ddc52d498a7e1c5fe52085a6f9f398770f906d6abed41b";
    fs::write(&tokens, format!("reader:{hash}:read\n")).expect("there is room");
    let flags = ["--http-tokens", tokens.to_str().expect("it is text")];
    let (broker, door) = http::start(2, &flags);
    let made = http::ask_unix(broker.data_dir(), "POST", "/api/v1/dashboard").json();
    let code = made["code"].as_str().expect("a code");
    let python = in_repository("target/test-env/venv/bin/python");
    let axe = in_repository("target/test-env/node/node_modules/axe-core/axe.min.js");
    let mut command = Command::new(python);
    command.arg(in_repository("tests/clients/browser_suite.py"));
    command.arg(broker.addr().port().to_string()).arg(broker.pid().to_string());
    command.arg(format!("http://{}", door.address));
    command.args([code, "read-only-token"]).arg(axe);
    print!("{}", run(&command));
    broker.stop();
}

/// A page that stays open while its broker is killed and started again says so, and comes back by
/// itself, with each part once.
#[test]
fn page_comes_back() {
    let (files, port) = (DataDir::fresh(), ReservedPort::new());
    let mut command = Command::new(in_repository("target/test-env/venv/bin/python"));
    command.arg(in_repository("tests/clients/browser_restart_suite.py"));
    command.arg(env!("CARGO_BIN_EXE_ringmq")).arg(files.path()).arg(port.number().to_string());
    print!("{}", run(&command));
}
