//! ringmq-store: inspects a data directory, in use or not. It changes nothing in it.
//!
//! ```text
//! options ─► main ─► shards (one at a time) ─┬► check ─┐
//!                                            ├► stat ──┼► output
//!                                            └► dump ──┘
//! ```
//! One shard is open at a time, as in a broker: its catalog in memory, its messages in mapped
//! files. Queues are read block by block.

mod check;
mod dump;
mod live;
mod options;
mod output;
mod session;
mod shards;
mod stat;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};
use output::{Output, Stop};

/// Something is damaged.
const DAMAGED: u8 = 1;

/// The directory cannot be opened, or the command line is wrong.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    env_logger::Builder::new().filter_level(log::LevelFilter::Warn).parse_default_env().init();
    let options = Options::parse();
    let mut output = Output::new();
    let result = match &options.command {
        Command::Check(flags) => check::run(flags, &mut output),
        Command::Stat(flags) => stat::run(flags, &mut output),
        Command::Dump(flags) => dump::run(flags, &mut output),
    };
    match result.and_then(|damaged| output.finish().map(|()| damaged)) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(DAMAGED),
        // A reader such as `head` has closed the output.
        Err(Stop::Unread) => ExitCode::SUCCESS,
        Err(Stop::Refused(text)) => {
            eprintln!("ringmq-store: {text}");
            ExitCode::from(REFUSED)
        }
    }
}
