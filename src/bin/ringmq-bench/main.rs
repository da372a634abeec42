//! ringmq-bench: a load generator for MQTT brokers, built so that it is not the bottleneck.
//!
//! It has its own minimal MQTT 3.1.1 and shares no code with the broker, so that a fault of one is
//! not hidden by the same fault of the other. Each thread owns its connections and counters;
//! threads and the main thread exchange messages and share no memory.
//!
//! ```text
//! options ─► run (main thread) ─plan─► load (one a thread) ─► crowd ─┬► publisher ─► belt
//!              ▲                         │ outcome                   ├► subscriber ─► checker
//!   (sweep)  report ◄────────────────────┘                           └► client ─► wire, stream
//! ```

mod belt;
mod checker;
mod client;
mod crowd;
mod group;
mod load;
mod options;
mod preset;
mod procfs;
mod publisher;
mod report;
mod run;
mod stats;
mod stream;
mod subscriber;
mod sweep;
mod template;
mod turns;
mod websocket;
mod wire;

use std::process::ExitCode;

use options::Options;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors besides the connections: standard streams, pollers, `/proc`.
const DESCRIPTORS_SPARE: u64 = 32;

fn main() -> ExitCode {
    env_logger::init();
    let options = Options::from_command_line();
    if let Err(text) = raise_descriptor_limit(&options) {
        return complain(&text);
    }
    if !options.rates.is_empty() {
        let swept = sweep::run(&options, &options.rates);
        return swept.map_or_else(|text| complain(&text), |()| ExitCode::SUCCESS);
    }
    let json = options.json;
    match run::run(options) {
        Ok(report) => {
            if json {
                println!("{}", report.json());
            } else {
                print!("{}", report.table());
            }
            match report.complaint() {
                None => ExitCode::SUCCESS,
                Some(text) => complain(&text),
            }
        }
        Err(text) => complain(&text),
    }
}

fn complain(text: &str) -> ExitCode {
    eprintln!("ringmq-bench: {text}");
    ExitCode::FAILURE
}

fn raise_descriptor_limit(options: &Options) -> Result<(), String> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
        .map_err(|error| format!("raising RLIMIT_NOFILE: {error}"))?;
    let needed = u64::from(options.connections()) + u64::from(options.threads) + DESCRIPTORS_SPARE;
    match limit.maximum {
        Some(maximum) if maximum < needed => {
            Err(format!("{needed} descriptors are needed, the hard limit is {maximum}"))
        }
        _ => Ok(()),
    }
}
