//! The texts of mail: plain text with variables, in the program or in files.
//!
//! A template begins with a line `Subject: …` and an empty line. A value that is inserted is never
//! searched for variables, and contains no line break.

use std::path::{Path, PathBuf};

use aquaware_core::message::{MessageTopic, RESET_LIFETIME, VERIFICATION_LIFETIME};
use aquaware_core::service::Message;
use thiserror::Error;
use zeroize::Zeroizing;

/// The variables of templates.
const VARIABLES: [&str; 6] = ["app_name", "email", "first_name", "link", "token", "valid_for"];

/// A template cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TemplateError {
    /// The file exists, but cannot be read as text.
    #[error("the template {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The template does not begin with a subject and an empty line.
    #[error("the template {} must begin with \"Subject: \" and an empty line", .0.display())]
    NoSubject(PathBuf),
    /// The template has a variable that does not exist, or whose end is missing.
    #[error("the template {} has an unknown variable; there are {}", .0.display(), VARIABLES.join(", "))]
    UnknownVariable(PathBuf),
}

/// The templates of all messages.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    app_name: String,
    /// The base of links, without a slash at the end; empty for none.
    link_base: String,
    texts: [Template; 4],
}

/// A template that was checked.
#[derive(Clone, Debug)]
struct Template {
    subject: String,
    body: String,
}

/// The text of one mail.
pub(crate) struct Text {
    pub(crate) subject: String,
    pub(crate) body: Zeroizing<String>,
}

impl Templates {
    /// The templates of the program, each replaced by the file of its name in `directory`, if there is
    /// one.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub(crate) fn open(
        app_name: &str,
        link_base: &str,
        directory: Option<&Path>,
    ) -> Result<Self, TemplateError> {
        let [reset, verification, change, notice] = MessageTopic::ALL;
        let texts = [
            template(reset, directory)?,
            template(verification, directory)?,
            template(change, directory)?,
            template(notice, directory)?,
        ];
        let link_base = link_base.trim_end_matches('/').to_owned();
        Ok(Self { app_name: app_name.to_owned(), link_base, texts })
    }

    /// The text of `message`.
    pub(crate) fn render(&self, message: &Message) -> Text {
        let [reset, verification, change, notice] = &self.texts;
        let (template, page, lifetime) = match message.topic {
            MessageTopic::PasswordReset => (reset, "reset-password", RESET_LIFETIME),
            MessageTopic::EmailVerification => {
                (verification, "verify-email", VERIFICATION_LIFETIME)
            }
            MessageTopic::EmailChange => (change, "verify-email", VERIFICATION_LIFETIME),
            MessageTopic::EmailChangeNotice => (notice, "", VERIFICATION_LIFETIME),
        };
        let token = message.token.as_ref().map_or("", |(token, _)| token.expose());
        let link = Zeroizing::new(self.link(page, token));
        let hours = lifetime.as_secs() / 3600;
        let valid_for = if hours == 1 { "1 hour".to_owned() } else { format!("{hours} hours") };
        let value = |name: &str| match name {
            "app_name" => &self.app_name,
            "email" => &message.to,
            "first_name" => message.account.first_name.as_deref().unwrap_or_default(),
            "link" => &link,
            "token" => token,
            "valid_for" => &valid_for,
            _ => "",
        };
        Text {
            subject: expand(&template.subject, &value).unwrap_or_default().to_string(),
            body: expand(&template.body, &value).unwrap_or_default(),
        }
    }

    /// The link with a token. It is in the fragment, which browsers do not send to servers. Without a
    /// base, the token itself.
    fn link(&self, page: &str, token: &str) -> String {
        match self.link_base.as_str() {
            "" => token.to_owned(),
            base => format!("{base}/{page}#token={token}"),
        }
    }
}

/// The name of the file of a template, and the text of the program.
const fn source(topic: MessageTopic) -> (&'static str, &'static str) {
    match topic {
        MessageTopic::PasswordReset => {
            ("password_reset.txt", include_str!("templates/password_reset.txt"))
        }
        MessageTopic::EmailVerification => {
            ("email_verification.txt", include_str!("templates/email_verification.txt"))
        }
        MessageTopic::EmailChange => {
            ("email_change.txt", include_str!("templates/email_change.txt"))
        }
        MessageTopic::EmailChangeNotice => {
            ("email_change_notice.txt", include_str!("templates/email_change_notice.txt"))
        }
    }
}

fn template(topic: MessageTopic, directory: Option<&Path>) -> Result<Template, TemplateError> {
    let (name, built_in) = source(topic);
    let path = directory.map(|directory| directory.join(name)).unwrap_or_default();
    let text = match directory.map(|_| std::fs::read_to_string(&path)) {
        None => built_in.to_owned(),
        Some(Ok(text)) => text,
        Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => built_in.to_owned(),
        Some(Err(source)) => return Err(TemplateError::Unreadable { path, source }),
    };
    let text = text.replace("\r\n", "\n");
    let (head, body) =
        text.split_once("\n\n").ok_or_else(|| TemplateError::NoSubject(path.clone()))?;
    let subject = head.strip_prefix("Subject: ").filter(|subject| !subject.contains('\n'));
    let subject = subject.ok_or_else(|| TemplateError::NoSubject(path.clone()))?;
    let is_known = |text: &str| expand(text, &|_| "").is_some();
    if !is_known(subject) || !is_known(body) {
        return Err(TemplateError::UnknownVariable(path));
    }
    Ok(Template { subject: subject.to_owned(), body: body.to_owned() })
}

/// `text` with the values of its variables; `None` if there is an unknown one.
fn expand<'a>(text: &str, value: &dyn Fn(&str) -> &'a str) -> Option<Zeroizing<String>> {
    let mut expanded = Zeroizing::new(String::with_capacity(text.len() + 2048));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        expanded.push_str(before);
        let (name, after) = after.split_once("}}")?;
        let name = name.trim();
        if !VARIABLES.contains(&name) {
            return None;
        }
        expanded.extend(value(name).chars().filter(|c| !c.is_control()));
        rest = after;
    }
    expanded.push_str(rest);
    Some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_expanded_and_never_begins_a_line() {
        let value = |name: &str| match name {
            "first_name" => "Ann {{token}}\r\nBcc: eve@example.com",
            _ => "secret",
        };
        let text = expand("Hello {{ first_name }}!", &value).unwrap();
        assert_eq!(*text, "Hello Ann {{token}}Bcc: eve@example.com!");
    }

    #[test]
    fn templates_in_files_replace_those_of_the_program_and_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Templates::open("Fish", "", Some(directory.path()));
        let path = directory.path().join("password_reset.txt");
        assert!(open().is_ok());
        for (text, is_valid) in [
            ("Subject: Hi {{app_name}}\n\nUse {{token}}.\n", true),
            ("Subject: Hi\r\n\r\nUse {{ link }}.\r\n", true),
            ("Hi\n\nUse {{token}}.", false),
            ("Subject: Hi\nBcc: eve@example.com\n\n{{token}}", false),
            ("Subject: Hi\n\n{{password}}", false),
            ("Subject: Hi\n\n{{token", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(open().is_ok(), is_valid, "{text:?}");
        }
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(open(), Err(TemplateError::Unreadable { .. })));
    }

    #[test]
    fn the_templates_of_the_program_are_valid_and_in_ascii() {
        assert!(Templates::open("Fish", "", None).is_ok());
        for topic in MessageTopic::ALL {
            let (name, text) = source(topic);
            assert!(text.is_ascii() && text.lines().all(|line| line.len() < 78), "{name}");
        }
    }

    #[test]
    fn links_keep_the_token_out_of_requests() {
        let templates = Templates::open("Fish", "https://fish.example/account/", None).unwrap();
        let link = templates.link("reset-password", "a.b.c");
        assert_eq!(link, "https://fish.example/account/reset-password#token=a.b.c");
        assert_eq!(Templates::open("Fish", "", None).unwrap().link("x", "a.b.c"), "a.b.c");
    }
}
