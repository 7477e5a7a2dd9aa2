//! `[compat.simplejwt]`: the doors for clients of djangorestframework-simplejwt.

use aquaware_core::id::ClientId;
use aquaware_core::policy::{ClientProfile, Grant, ProfileSettings, Rotation, Transport};
use aquaware_core::time::Timestamp;

use super::super::parse;
use super::super::reader::Reader;
use super::super::schema::Key;
use super::super::secret::SecretText;

/// The client whose sessions the doors open. It exists while they are enabled.
pub(crate) const SIMPLEJWT_CLIENT: &str = "simplejwt";

/// `[compat.simplejwt]`, if it is enabled.
#[derive(Clone, Debug)]
pub(crate) struct SimpleJwt {
    /// The key of old tokens, and until when they are taken; `None` if none are.
    pub(crate) old_tokens: Option<(SecretText, Timestamp)>,
    /// The claim with the id of the user.
    pub(crate) user_id_claim: String,
    /// Whether Django accepts new refresh tokens too.
    pub(crate) is_reversible: bool,
}

const ENABLED: Key = Key::plain("compat.simplejwt.enabled");
const SIGNING_KEY: Key = Key::plain("compat.simplejwt.signing_key");

/// Checks the section, and adds its client to `clients` if it is enabled.
pub(super) fn simplejwt(
    reader: &mut Reader<'_>,
    clients: Option<&mut Vec<ClientProfile>>,
) -> Option<Option<SimpleJwt>> {
    let enabled = reader.read_key(&ENABLED, parse::boolean);
    let key = reader.read_key(&SIGNING_KEY, parse::secret_text);
    let until = reader.read("compat.simplejwt.until", parse::end_of_day);
    let user_id_claim = reader.read("compat.simplejwt.user_id_claim", parse::user_id_claim);
    let rotate = reader.read("compat.simplejwt.rotate", parse::boolean);
    let reversible = reader.read("compat.simplejwt.reversible", parse::boolean);
    let (key, until, user_id_claim) = (key?, until?, user_id_claim?);
    if key.is_some() && until.is_none() {
        let what = "requires compat.simplejwt.until, the day until which old tokens are taken";
        reader.conflict(&SIGNING_KEY, what);
        return None;
    }
    if !enabled? {
        return Some(None);
    }
    let rotation = if rotate? { Rotation::Always } else { Rotation::Never };
    add_client(reader, clients?, rotation, &user_id_claim)?;
    let (old_tokens, is_reversible) = (key.zip(until), reversible?);
    Some(Some(SimpleJwt { old_tokens, user_id_claim, is_reversible }))
}

/// The client of `[clients.simplejwt]`, or one with the defaults, with the rotation of the doors.
fn add_client(
    reader: &mut Reader<'_>,
    clients: &mut Vec<ClientProfile>,
    rotation: Rotation,
    user_id_claim: &str,
) -> Option<()> {
    let id = ClientId::new(SIMPLEJWT_CLIENT).ok()?;
    let configured = clients.iter().position(|client| *client.id() == id);
    let settings = configured.map(|index| clients.remove(index).settings().clone());
    let settings = settings.unwrap_or_default();
    let key = |name| Key::of_client(SIMPLEJWT_CLIENT, name);
    let login = settings.grants.contains(&Grant::Login);
    let problem = if settings.rotation != rotation && reader.is_set(&key("rotation")) {
        Some((key("rotation"), "expected the same as compat.simplejwt.rotate"))
    } else if settings.transport == Transport::Cookie {
        Some((key("refresh_transport"), "expected \"body\": the doors put tokens into bodies"))
    } else if settings.secret.is_some() {
        Some((key("secret_hash"), "expected no secret: the clients of the doors are public"))
    } else if !login || !settings.grants.contains(&Grant::RefreshToken) {
        Some((key("grants"), "expected \"login\" and \"refresh_token\" for the doors"))
    } else {
        None
    };
    if let Some((key, what)) = problem {
        reader.conflict(&key, what);
        return None;
    }
    // The subject itself is in every token.
    let user_id_claim = Some(user_id_claim).filter(|claim| *claim != "sub").map(str::to_owned);
    let settings = ProfileSettings { rotation, user_id_claim, ..settings };
    clients.push(ClientProfile::new(id, settings).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aquaware_core::time::Timestamp;

    use super::super::super::raw::Raw;
    use super::super::{Config, check};
    use super::*;

    fn config(file: &str) -> Result<Config, Vec<String>> {
        let mut raw = Raw::new();
        raw.add_file("a.toml", file.as_bytes());
        assert_eq!(raw.problems, []);
        check(&raw, Path::new(""))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn rotation(config: &Config) -> Option<Rotation> {
        let policy = config.policy("127.0.0.1:80".parse().unwrap()).unwrap();
        let client = policy.client(&ClientId::new(SIMPLEJWT_CLIENT).unwrap());
        client.map(ClientProfile::rotation)
    }

    #[test]
    fn the_doors_are_closed_by_default_and_have_a_client_of_their_own() {
        assert!(config("").is_ok_and(|it| it.simplejwt.is_none() && rotation(&it).is_none()));
        let enabled = config("compat.simplejwt.enabled = true").unwrap();
        assert!(enabled.simplejwt.as_ref().unwrap().old_tokens.is_none());
        assert_eq!(rotation(&enabled), Some(Rotation::Always));
        let kept = config("[compat.simplejwt]\nenabled = true\nrotate = false").unwrap();
        assert_eq!(rotation(&kept), Some(Rotation::Never));
    }

    #[test]
    fn old_tokens_are_taken_until_the_end_of_a_day() {
        let file = "[compat.simplejwt]\nenabled = true\nsigning_key = 'k'\nuntil = '2027-01-31'";
        let (_, until) = config(file).unwrap().simplejwt.unwrap().old_tokens.unwrap();
        assert_eq!(Some(until), Timestamp::from_rfc3339("2027-02-01T00:00:00Z"));
    }

    #[test]
    fn settings_that_contradict_each_other_are_rejected() {
        for (file, told) in [
            ("compat.simplejwt.signing_key = 'secret'", "requires compat.simplejwt.until"),
            ("compat.simplejwt.until = '2027-02-30'", "a day"),
            ("compat.simplejwt.user_id_claim = 'exp'", "user_id"),
            ("clients.simplejwt.rotation = 'never'", "compat.simplejwt.rotate"),
            ("clients.simplejwt.refresh_transport = 'cookie'", "\"body\""),
            ("clients.simplejwt.grants = ['password']", "\"login\""),
        ] {
            let errors = config(&format!("compat.simplejwt.enabled = true\n{file}")).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(told), "{file}: {errors:?}");
            assert!(!errors[0].contains("secret'"), "{errors:?}");
        }
    }
}
