//! The command line of the bridge's program.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Moves what a ringmq broker holds into other systems, and back.
#[derive(Parser)]
#[command(name = "ringmq-bridge", version, about)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run until a signal ends it.
    Run {
        /// The configuration.
        file: PathBuf,
    },
    /// Check a configuration, and say each fault with line and column.
    Check {
        /// The configuration.
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use clap::CommandFactory;
    use clap_complete::Shell;

    use super::*;

    // The completions are those of this definition. `RINGMQ_GENERATE=write cargo test --package
    // ringmq-bridge --bin ringmq-bridge` writes them.
    #[test]
    fn completions_are_as_the_definition() {
        let write = env::var_os("RINGMQ_GENERATE").is_some_and(|value| value == "write");
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../completions");
        for (shell, ending) in [(Shell::Bash, "bash"), (Shell::Fish, "fish"), (Shell::Zsh, "zsh")] {
            let path = format!("{directory}/ringmq-bridge.{ending}");
            let mut wanted = Vec::new();
            clap_complete::generate(shell, &mut Options::command(), "ringmq-bridge", &mut wanted);
            let wanted = String::from_utf8(wanted).expect("completions are text");
            if write {
                fs::write(&path, &wanted).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
            let found = fs::read_to_string(&path).unwrap_or_default();
            assert!(found == wanted, "{path} is not as bridge/src/options.rs: see this test");
        }
    }
}
