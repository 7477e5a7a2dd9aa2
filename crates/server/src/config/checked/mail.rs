//! `[mail]`, and what requires that messages can be sent.

use std::path::{Path, PathBuf};

use lettre::message::Mailbox;

use super::super::parse;
use super::super::reader::Reader;
use super::super::schema::Key;
use crate::mail::{Server, Templates};

/// `[mail]`.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) server: Server,
    /// The sender.
    pub(crate) from: Mailbox,
    pub(crate) templates: Templates,
}

/// The settings of mail; `Some(None)` without a mail server.
pub(super) fn mail(reader: &mut Reader<'_>, base: &Path) -> Option<Option<Mail>> {
    let server = reader.read("mail.url", parse::mail_server);
    let from = reader.read("mail.from", parse::mailbox);
    let app_name = reader.read("mail.app_name", parse::line);
    let link_base = reader.read("mail.link_base", parse::link_base);
    let directory = reader.read("mail.templates", parse::line);
    let authority = reader.read("mail.tls_ca", parse::line);
    let (app_name, link_base, directory) = (app_name?, link_base?, directory?);
    let directory: Option<PathBuf> = (!directory.is_empty()).then(|| base.join(directory));
    let templates = match Templates::open(&app_name, &link_base, directory.as_deref()) {
        Ok(templates) => templates,
        Err(error) => {
            let what = aquaware_core::error_chain(&error);
            reader.conflict(&Key::plain("mail.templates"), what);
            return None;
        }
    };
    let server = match (server?, authority?) {
        (server, path) if path.is_empty() => server,
        (Some(server), path) => Some(with_authority(reader, server, &base.join(path))?),
        (None, _) => {
            reader.conflict(&Key::plain("mail.tls_ca"), "requires mail.url");
            return None;
        }
    };
    match (server, from?) {
        (Some(server), Some(from)) => Some(Some(Mail { server, from, templates })),
        (None, None) => Some(None),
        (Some(_), None) => {
            reader.conflict(&Key::plain("mail.url"), "requires mail.from");
            None
        }
        (None, Some(_)) => {
            reader.conflict(&Key::plain("mail.from"), "requires mail.url");
            None
        }
    }
}

fn with_authority(reader: &mut Reader<'_>, server: Server, path: &Path) -> Option<Server> {
    let pem = std::fs::read(path);
    let what = match &pem {
        Ok(_) => format!("no certificate of an authority found in {}", path.display()),
        Err(error) => format!("cannot read {}: {error}", path.display()),
    };
    let server = server.with_authority(&pem.unwrap_or_default());
    if server.is_none() {
        reader.conflict(&Key::plain("mail.tls_ca"), what);
    }
    server
}

/// Without a way to send messages, no account could verify its address.
pub(super) fn check_verification(reader: &mut Reader<'_>, required: bool, sends_messages: bool) {
    if required && !sends_messages {
        let what = "requires a way to send messages: set mail.url or webhook.url";
        reader.conflict(&Key::plain("accounts.require_verified_email"), what);
    }
}
