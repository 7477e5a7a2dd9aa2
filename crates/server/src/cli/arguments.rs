//! What can be typed, and the help texts. Nothing is done here.

mod accounts;
mod keys;
mod sessions;
mod store;
mod token;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(super) use self::accounts::{AccountsCommand, PasswordSource};
pub(super) use self::keys::{KeyType, KeysCommand};
pub(super) use self::sessions::SessionsCommand;
pub(super) use self::store::StoreCommand;
pub(super) use self::token::TokenCommand;

/// A token and session server: log in once, stay logged in, be logged out when it matters.
///
/// Users sign up and log in over HTTP and get two tokens: a short-lived access token for every
/// request, and a long-lived refresh token that gets the next one. Without any configuration the
/// server listens on this machine only, and keeps its data and its keys in the current directory.
#[derive(Debug, Parser)]
#[command(
    name = "aquaware",
    version,
    after_help = "Try `aquaware demo` first: it shows the whole journey of a session.",
    after_long_help = AFTER_HELP
)]
pub(super) struct Arguments {
    /// Read the configuration from FILE
    ///
    /// Without this option the file is the one that the variable AQUAWARE_CONFIG names, else
    /// aquaware.toml in the current directory if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Answer in JSON, for programs
    ///
    /// Errors on standard error are JSON too. `serve` logs in JSON unless the configuration names
    /// a format.
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// What to do; `serve` if nothing is named
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const AFTER_HELP: &str = "\
Configuration:
  Every setting has a default, can stand in the file, and can be overridden by a variable:
  AQUAWARE_ and the upper-cased path, levels joined by two underscores, as in
    AQUAWARE_LISTEN__PUBLIC=0.0.0.0:8080
    AQUAWARE_CLIENTS__WEB__ACCESS_LIFETIME=1m
  `aquaware config show` prints all of them.

Exit status:
  0  done
  1  failed
  2  wrong use or wrong configuration

Try `aquaware demo` first: it shows the whole journey of a session.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server (what `aquaware` alone does)
    ///
    /// It serves until SIGTERM or SIGINT, then finishes what is in flight, 30 seconds at most, and
    /// exits with 0. SIGHUP makes it read its keys and client profiles again. The log goes to
    /// standard output.
    Serve,

    /// Show the whole journey of a session against a server of its own
    ///
    /// Starts a server on free ports of this machine in a temporary directory and talks to it over
    /// HTTP: sign up, log in, call with the access token, let it expire, refresh, lose an answer
    /// and retry, steal a token and be found out, log out. Prints each request and answer. Exits
    /// with 0 only if every step went as it should. Touches no configuration and no data.
    Demo,

    /// Add, list, disable or delete accounts; set passwords and claims
    ///
    /// Works on the stores of the configuration, also while a server runs on them.
    Accounts {
        /// What to do
        #[command(subcommand)]
        command: AccountsCommand,
    },

    /// List or end sessions
    ///
    /// Works on the stores of the configuration, also while a server runs on them.
    Sessions {
        /// What to do
        #[command(subcommand)]
        command: SessionsCommand,
    },

    /// List, rotate or make the keys that sign tokens
    ///
    /// Works on the key directory of the configuration. A running server follows within a minute,
    /// or at once when it gets SIGHUP.
    Keys {
        /// What to do
        #[command(subcommand)]
        command: KeysCommand,
    },

    /// Bring the stores up to date, or tell what is wrong with them
    Store {
        /// What to do with them
        #[command(subcommand)]
        command: StoreCommand,
    },

    /// Look into a token
    Token {
        /// What to do
        #[command(subcommand)]
        command: TokenCommand,
    },

    /// Check or show the configuration
    Config {
        /// What to do with it
        #[command(subcommand)]
        command: ConfigCommand,
    },

    /// Make secrets for confidential clients
    Clients {
        /// What to make
        #[command(subcommand)]
        command: ClientsCommand,
    },

    /// Print a completion script for a shell
    ///
    /// For bash: `aquaware completions bash > /etc/bash_completion.d/aquaware`. For zsh: save it as
    /// `_aquaware` in a directory of `$fpath`. For fish: save it as
    /// `~/.config/fish/completions/aquaware.fish`.
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What can be done with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum ConfigCommand {
    /// Read and check the configuration as `serve` would, and say what is wrong
    ///
    /// Nothing is started, and neither stores nor keys are touched. All mistakes are told at once,
    /// each with its key, its value, where it stands and what would be right; then the exit status
    /// is 2.
    Check,

    /// Print the configuration in force, defaults included, secrets masked
    ///
    /// In the form of a configuration file. A comment says where a value comes from that isn't the
    /// default.
    Show,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_a_help_text() {
        fn walk(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Arguments::command());
    }
}

/// What can be made for clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// Make a secret and print it with its hash
    ///
    /// The secret is for the client and is shown this once; the hash goes into the configuration,
    /// as `secret_hash` of the client.
    Secret,
}
