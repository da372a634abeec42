//! The load generator over TLS: its figures are of connections that work.

use std::process::Command;

use crate::authority::{Authority, text};
use crate::common::run;
use crate::door::Doors;

// All messages arrive in order, with both versions of TLS, with tickets and without.
#[test]
fn the_load_generator_speaks_tls() {
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    let port = doors.addr.port().to_string();
    for more in [&[][..], &["--tls12"], &["--tls-tickets"], &["--tls12", "--tls-tickets"]] {
        for load in [&["--qos", "0"][..], &["--qos", "1", "--payload", "40000"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-bench"));
            command.args(["--port", &port, "--tls", text(&authority.file), "--json"]);
            command.args(["--publishers", "4", "--subscribers", "4", "--idle", "50"]);
            command.args(["--messages", "4000", "--drain", "60"]).args(load).args(more);
            let printed = run(&command);
            for due in ["\"delivered\": 4000", "\"lost\": 0", "\"out_of_order\": 0"] {
                let due = due.replace(": ", ":");
                let printed = printed.replace(": ", ":");
                assert!(printed.contains(&due), "{due}: {printed}");
            }
        }
    }
}
