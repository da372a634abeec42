//! The broker's program: options, logging, and the server until a signal ends it.

use std::process::ExitCode;

use ringmq::config::Options;
use ringmq::server;

fn main() -> ExitCode {
    let options = Options::from_command_line();
    env_logger::Builder::new().parse_filters(&options.log).init();
    match server::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
