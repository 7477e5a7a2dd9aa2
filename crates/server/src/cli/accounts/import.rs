//! `aquaware accounts import`: accounts of another system, from JSON lines or CSV.
//!
//! Each account is stored by one conditional step, and existing accounts are left as they are. So an
//! interrupted import continues when the command is run again, and running it twice changes nothing.

mod counted;
mod duplicates;
mod fields;
mod rows;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use aquaware_core::account::Account;
use aquaware_core::error_chain;
use aquaware_core::service::{Accounts, ImportOutcome, RequestContext};
use aquaware_core::store::StoreError;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value as Json, json};

use self::counted::Count;
use self::duplicates::Duplicates;
use self::rows::{Row, Rows};
use crate::cli::arguments::ImportFormat;
use crate::cli::context::{Context, with_stores_silently};
use crate::cli::error::CommandError;
use crate::cli::progress::Progress;

/// The number of lines that are read before their accounts are stored.
const LINES_AT_ONCE: usize = 512;
/// The number of accounts that are stored at once. SQLite commits them together.
const ACCOUNTS_AT_ONCE: usize = 256;
/// How often a store that fails is tried again, after pauses that double from a tenth of a second.
const MAX_RETRIES: u32 = 6;

/// What to import, and how.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) file: PathBuf,
    pub(super) format: Option<ImportFormat>,
    pub(super) dry_run: bool,
}

/// Runs the command.
pub(super) fn run(options: &Options, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let mut summary = Summary { dry_run: options.dry_run, ..Summary::default() };
    let (progress, read) = (Progress::bar(), Count::default());
    let file = match options.file.to_str() {
        Some("-") => None,
        _ => Some(open(options, context)?),
    };
    let outcome = with_stores_silently(&config, async |stores, request| {
        let importer = Importer { accounts: &stores.accounts, request, dry_run: options.dry_run };
        let stream: Box<dyn Read + '_> = match file {
            None => Box::new(context.input.stream()),
            Some(file) => {
                progress.show_bar(file.metadata().map_or(0, |found| found.len()));
                Box::new(read.of(file))
            }
        };
        let show = |summary: &Summary| {
            progress.set_position(read.bytes());
            progress.set_message(summary.progress());
        };
        importer.run(Rows::new(stream, options.format())?, &mut summary, show).await
    });
    drop(progress);
    if let Err(error @ (CommandError::Usage(_) | CommandError::Configuration(_))) = outcome {
        return Err(error);
    }
    if !context.json {
        for (line, message) in &summary.rejected {
            context.output.hint(&format!("line {line}: {message}\n"));
        }
    }
    context.print(&summary.json(), &summary.text())?;
    outcome?;
    if summary.rejected.is_empty() { Ok(()) } else { Err(CommandError::Negative) }
}

impl Options {
    /// The given format, or that of the file's ending.
    fn format(&self) -> ImportFormat {
        let is_csv = self.file.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv"));
        self.format.unwrap_or(if is_csv { ImportFormat::Csv } else { ImportFormat::Jsonl })
    }
}

fn open(options: &Options, context: &Context<'_, '_>) -> Result<File, CommandError> {
    let failed =
        |error| CommandError::Failed(format!("failed to read {}: {error}", options.file.display()));
    File::open(context.request.directory.join(&options.file)).map_err(failed)
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Summary {
    dry_run: bool,
    created: u64,
    existing: u64,
    /// The lines that cannot be imported, with the reasons.
    rejected: Vec<(u64, String)>,
}

impl Summary {
    fn json(&self) -> Json {
        let errors = self.rejected.iter();
        let errors: Vec<Json> =
            errors.map(|(line, message)| json!({ "line": line, "message": message })).collect();
        json!({
            "dry_run": self.dry_run,
            "imported": self.created,
            "existing": self.existing,
            "rejected": errors.len(),
            "errors": errors,
        })
    }

    /// The accounts that are stored, and the lines that were rejected.
    fn progress(&self) -> String {
        let accounts = self.created + self.existing;
        format!("{accounts} accounts, {} lines rejected", self.rejected.len())
    }

    fn text(&self) -> String {
        let imported = if self.dry_run { "to import" } else { "imported" };
        let Self { created, existing, rejected, .. } = self;
        format!("{imported}: {created}, existing: {existing}, rejected: {}", rejected.len())
    }
}

struct Importer<'a> {
    accounts: &'a Accounts,
    request: RequestContext,
    dry_run: bool,
}

impl Importer<'_> {
    async fn run(
        &self,
        mut rows: Rows<impl Read>,
        summary: &mut Summary,
        show: impl Fn(&Summary),
    ) -> Result<(), CommandError> {
        let mut duplicates = Duplicates::default();
        loop {
            // Nothing is in flight while the next lines are awaited, so a slow pipe times nothing out.
            let rows: Vec<Row> = rows.by_ref().take(LINES_AT_ONCE).collect();
            if rows.is_empty() {
                return Ok(());
            }
            let mut accounts = Vec::with_capacity(rows.len());
            for Row { line, fields } in rows {
                match fields.and_then(|fields| self.check(line, fields, &mut duplicates)) {
                    Ok(account) => accounts.push((line, account)),
                    Err(message) => summary.rejected.push((line, message)),
                }
            }
            self.store(&accounts, summary).await?;
            show(summary);
        }
    }

    fn check(
        &self,
        line: u64,
        fields: fields::Fields,
        duplicates: &mut Duplicates,
    ) -> Result<Account, String> {
        let import = fields::read(fields)?;
        let has_id = import.id.is_some();
        let account = self.accounts.to_import(&self.request, import);
        let account = account.map_err(|error| error.to_string())?;
        duplicates.check(line, &account, has_id)?;
        Ok(account)
    }

    async fn store(
        &self,
        accounts: &[(u64, Account)],
        summary: &mut Summary,
    ) -> Result<(), CommandError> {
        let outcomes = stream::iter(accounts)
            .map(async |(line, account)| (*line, self.store_one(account).await))
            .buffered(ACCOUNTS_AT_ONCE);
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some((line, outcome)) = outcomes.next().await {
            match outcome {
                Ok(ImportOutcome::Created) => summary.created += 1,
                Ok(ImportOutcome::Existing) => summary.existing += 1,
                Err(error) => {
                    let message = format!(
                        "stopped at line {line}; run the command again to continue: {}",
                        error_chain(&error)
                    );
                    return Err(CommandError::Failed(message));
                }
            }
        }
        Ok(())
    }

    async fn store_one(&self, account: &Account) -> Result<ImportOutcome, StoreError> {
        let mut pause = Duration::from_millis(100);
        for _ in 0..MAX_RETRIES {
            match self.step(account).await {
                Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
            pause *= 2;
        }
        self.step(account).await
    }

    async fn step(&self, account: &Account) -> Result<ImportOutcome, StoreError> {
        match self.dry_run {
            true => self.accounts.would_import(account).await,
            false => self.accounts.import(account).await,
        }
    }
}
