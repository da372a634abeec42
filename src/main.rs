//! The broker's program: options, logging, and the server until a signal ends it; or one of the
//! small tools beside it.

use std::fmt::Display;
use std::process::ExitCode;

use ringmq::config::{Command, Options};
use ringmq::{passwd, server, sessions, vhosts};

fn main() -> ExitCode {
    match Command::from_command_line() {
        Command::Serve(options) => serve(&options),
        Command::Passwd(options) => tell("passwd", passwd::run(&options)),
        Command::Vhost(act) => tell("vhost", vhosts::run(&act)),
        Command::Session(act) => tell("session", sessions::run(&act)),
    }
}

/// Says what a tool has done, or why not.
fn tell(tool: &str, result: Result<String, impl Display>) -> ExitCode {
    match result {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ringmq {tool}: {error}");
            ExitCode::FAILURE
        }
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
