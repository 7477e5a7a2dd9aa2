//! Mail to users: templates, and the connection to a mail server.

mod mailer;
mod templates;

pub(crate) use self::mailer::{Mailer, MailerError, Server};
pub(crate) use self::templates::Templates;
