//! The commands and options, with their help texts.

mod accounts;
mod guard;
mod keys;
mod sessions;
mod store;
mod token;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(super) use self::accounts::{AccountsCommand, ImportFormat, PasswordSource};
pub(super) use self::guard::GuardArguments;
pub(super) use self::keys::{KeyType, KeysCommand};
pub(super) use self::sessions::SessionsCommand;
pub(super) use self::store::StoreCommand;
pub(super) use self::token::TokenCommand;

/// Issues and renews JWT access and refresh tokens.
///
/// Users sign up and log in over HTTP and receive two tokens: a short-lived access token for every
/// request, and a long-lived refresh token that renews it. Without any configuration, the server
/// listens on this machine only and keeps its data and keys in the current directory.
#[derive(Debug, Parser)]
#[command(
    name = "aquaware",
    version,
    after_help = "Run `aquaware demo` to see a complete session.",
    after_long_help = AFTER_HELP
)]
pub(super) struct Arguments {
    /// Read the configuration from FILE
    ///
    /// By default, the file named by the environment variable AQUAWARE_CONFIG, or aquaware.toml in
    /// the current directory if it exists.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Print JSON
    ///
    /// Errors on standard error are JSON too. `serve` logs JSON unless the configuration sets a
    /// format.
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// The command; `serve` by default
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const AFTER_HELP: &str = "\
Configuration:
  Every setting has a default; set it in the file or override it with an environment variable:
  AQUAWARE_ and the path in upper case, with two underscores between levels, as in
    AQUAWARE_LISTEN__PUBLIC=0.0.0.0:8080
    AQUAWARE_CLIENTS__WEB__ACCESS_LIFETIME=1m
  `aquaware config show` prints all settings.

Exit status:
  0  success
  1  failure
  2  invalid arguments or configuration

Run `aquaware demo` to see a complete session.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server (the default command)
    ///
    /// Serves until SIGTERM or SIGINT, then finishes requests in flight for up to 30 seconds and
    /// exits with 0. SIGHUP reloads keys and client profiles. The log is written to standard
    /// output.
    Serve,

    /// Walk through a complete session, printing every step
    ///
    /// Starts a temporary server on free ports of this machine and uses it over HTTP: signs up,
    /// logs in, calls the API, lets the access token expire, refreshes, loses a response and
    /// retries, steals a token and is detected, and logs out. Prints every request and response.
    /// Exits with 0 only if every check passes. Reads no configuration and changes no data.
    #[cfg(feature = "demo")]
    Demo,

    /// Add, import, list, disable or delete accounts; set passwords and claims
    ///
    /// Uses the configured stores. A server may be running on them at the same time.
    Accounts {
        /// The command
        #[command(subcommand)]
        command: AccountsCommand,
    },

    /// List or end sessions
    ///
    /// Uses the configured stores. A server may be running on them at the same time.
    Sessions {
        /// The command
        #[command(subcommand)]
        command: SessionsCommand,
    },

    /// List, rotate or generate the keys that sign tokens
    ///
    /// Uses the configured key directory. Running servers follow changes within a minute, or
    /// immediately on SIGHUP.
    Keys {
        /// The command
        #[command(subcommand)]
        command: KeysCommand,
    },

    /// Migrate the stores, or diagnose them
    Store {
        /// The command
        #[command(subcommand)]
        command: StoreCommand,
    },

    /// Inspect a token
    Token {
        /// The command
        #[command(subcommand)]
        command: TokenCommand,
    },

    /// Try the webhook
    Webhook {
        /// The command
        #[command(subcommand)]
        command: WebhookCommand,
    },

    /// Check or show the configuration
    Config {
        /// The command
        #[command(subcommand)]
        command: ConfigCommand,
    },

    /// Generate secrets for confidential clients
    Clients {
        /// The command
        #[command(subcommand)]
        command: ClientsCommand,
    },

    /// Check access tokens for a reverse proxy
    ///
    /// Answers the requests of nginx (`auth_request`), Caddy and Traefik (`forward_auth`), Envoy
    /// (`ext_authz`) and HAProxy: 200 with headers that say who calls, or 401 or 403 with a challenge.
    /// Verifies tokens of any issuer offline. Reads no configuration and has no store. Serves until
    /// SIGTERM or SIGINT.
    #[command(after_help = "Example: aquaware guard --issuer https://auth.example.com \
        --audience tanks --scope tanks:read")]
    Guard {
        /// The options
        #[command(flatten)]
        arguments: Box<GuardArguments>,
    },

    /// Check everything that a server needs, and print what to do, the most urgent first
    ///
    /// Checks the configuration, the stores (with a write that leaves nothing behind), their clocks,
    /// the keys, the addresses of the listeners or the server that runs there, the limit on file
    /// descriptors, and whether the mail server, the webhook and the trace collector accept
    /// connections. Changes nothing, and takes half a minute at most. The exit status is 0 if nothing
    /// is urgent, and 1 otherwise. Run it as the user and in the environment of the server.
    Doctor,

    /// Ask the running server whether it is ready
    ///
    /// Requests /health/ready at `listen.management`, for the health checks of containers. The
    /// exit status is 0 if the server is ready, and 1 otherwise.
    Health,

    /// Print a completion script for a shell
    ///
    /// For bash: `aquaware completions bash > /etc/bash_completion.d/aquaware`. For zsh: save it as
    /// `_aquaware` in a directory of `$fpath`. For fish: save it as
    /// `~/.config/fish/completions/aquaware.fish`.
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The commands for the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration, and report all errors
    ///
    /// Starts nothing and opens neither stores nor keys. Each error names the setting, its value,
    /// where it was set, and what is expected. The exit status is 2 if there is an error.
    Check,

    /// Print the effective configuration with defaults, secrets masked
    ///
    /// The output is a valid configuration file. Comments show where values other than defaults
    /// were set.
    Show,
}

/// The commands for the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum WebhookCommand {
    /// Send a message of the type webhook_test, and report the answer
    ///
    /// The message is signed like any other, and is sent once. The exit status is 0 only if the
    /// receiver answers with a status from 200 to 299. Redirects are not followed.
    Test,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_valid() {
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

/// The commands for clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// Generate a secret and print it with its hash
    ///
    /// Give the secret to the client; it cannot be shown again. Put the hash into the
    /// configuration as `secret_hash` of the client.
    Secret,
}
