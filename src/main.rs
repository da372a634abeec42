//! The broker's program: options, logging, and the server until a signal ends it; or one of the
//! small tools beside it.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use ringmq::config::{Command, Configuration};
use ringmq::server::StartError;
use ringmq::{check, ctl, data, logging, passwd, reload, server, sessions, settings, vhosts};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    // First of all: a signal that asks for something must never kill.
    let signals = server::watch_signals();
    match Command::from_command_line() {
        Command::Serve(configuration) => serve(&configuration, signals),
        Command::Check { given, json } => check::run(&given, json),
        Command::ConfigShow { given, defaults, json } => {
            settings::show(&given, defaults, json).unwrap_or_else(|error| error.exit())
        }
        Command::Reload { data_dir } => tell("reload", reload::run(&data_dir)),
        Command::Passwd(options) => tell("passwd", passwd::run(&options)),
        Command::Vhost(act) => tell("vhost", vhosts::run(&act)),
        Command::Session(act) => tell("session", sessions::run(&act)),
        Command::Data(act) => tell("data", data::run(&act)),
        Command::Ctl(asked) => ctl::run(&asked),
    }
}

/// Says what a tool has done, or why not.
fn tell(tool: &str, result: Result<String, impl Display>) -> ExitCode {
    match result {
        Ok(done) => {
            // Its reader may have gone; that undoes nothing.
            let _ = writeln!(io::stdout(), "{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ringmq {tool}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(configuration: &Configuration, signals: io::Result<Signals>) -> ExitCode {
    let code = match server::run(configuration, signals) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ StartError::Log(_)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    };
    logging::flush();
    code
}
