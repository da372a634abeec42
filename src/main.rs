//! The broker's program: options, logging, and the server until a signal ends it; or one of the
//! small tools beside it.

use std::process::ExitCode;

use ringmq::config::{Command, Options};
use ringmq::{passwd, server};

fn main() -> ExitCode {
    match Command::from_command_line() {
        Command::Serve(options) => serve(&options),
        Command::Passwd(options) => match passwd::run(&options) {
            Ok(done) => {
                println!("{done}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("ringmq passwd: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn serve(options: &Options) -> ExitCode {
    env_logger::Builder::new().parse_filters(&options.log).init();
    match server::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
