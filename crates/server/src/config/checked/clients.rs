//! `[clients.ID]`: the client profiles. The core checks which combinations are valid.

use aquaware_core::id::ClientId;
use aquaware_core::jwt::Algorithm;
use aquaware_core::policy::{ClientProfile, ProfileSettings, Rotation, Transport};
use aquaware_core::secret::PasswordHash;

use super::super::parse::{self, Parsed};
use super::super::reader::Reader;
use super::super::schema::{self, Key};
use super::super::value::Value;

/// The profiles of all clients, ordered by id; `None` after an error.
pub(super) fn clients(
    reader: &mut Reader<'_>,
    algorithm: Option<Algorithm>,
) -> Option<Vec<ClientProfile>> {
    let profiles: Vec<Option<ClientProfile>> =
        reader.clients().map(|(id, _)| profile(reader, id, algorithm)).collect();
    profiles.into_iter().collect()
}

fn profile(
    reader: &mut Reader<'_>,
    id: &str,
    algorithm: Option<Algorithm>,
) -> Option<ClientProfile> {
    let parsed_id = client_id(reader, id);
    let (settings, complete) = settings(reader, id);
    if settings.status && algorithm.is_some_and(Algorithm::is_symmetric) {
        let what = "expected false with keys.algorithm = \"HS256\": status lists signed with a \
                    shared secret cannot be verified by other services";
        reader.conflict(&key(id, "status"), what);
    }
    ClientProfile::new(parsed_id?, settings)
        .map_err(|errors| {
            for error in errors.0 {
                reader.conflict(&key(id, error.setting()), error);
            }
        })
        .ok()
        .filter(|_| complete)
}

fn client_id(reader: &mut Reader<'_>, id: &str) -> Option<ClientId> {
    let parsed = ClientId::new(id).ok();
    if parsed.is_none() {
        let table = format!("clients.{}", schema::key_part(id));
        let (_, source) = reader.clients().find(|(known, _)| *known == id)?;
        let what = "expected a client id of 1 to 64 letters, digits, \".\", \"_\" and \"-\"";
        reader.invalid_table(table, source.clone(), what);
    }
    parsed
}

/// The settings of `id`, and whether all of them are valid. Invalid settings are replaced by
/// defaults, so that the combinations of the others are still checked.
fn settings(reader: &mut Reader<'_>, id: &str) -> (ProfileSettings, bool) {
    let rotations = [("always", Rotation::Always), ("never", Rotation::Never)];
    let transports = [("body", Transport::Body), ("cookie", Transport::Cookie)];
    let default = ProfileSettings::default();
    let mut client = ClientReader { reader, id, complete: true };
    let settings = ProfileSettings {
        access_lifetime: client.read("access_lifetime", parse::lifetime, default.access_lifetime),
        refresh_lifetime: client.read(
            "refresh_lifetime",
            parse::lifetime,
            default.refresh_lifetime,
        ),
        session_lifetime: client.read(
            "session_lifetime",
            parse::lifetime,
            default.session_lifetime,
        ),
        rotation: client.read("rotation", parse::one_of(&rotations), default.rotation),
        retry_window: client.read("retry_window", parse::duration, default.retry_window),
        transport: client.read("refresh_transport", parse::one_of(&transports), default.transport),
        audience: client.read("audience", parse::audiences, default.audience),
        scopes: client.read("scopes", parse::scopes, default.scopes),
        grants: client.read("grants", parse::grants, default.grants),
        // An invalid hash is not a missing one, so it must not cause a second error.
        secret: client.read(
            "secret_hash",
            parse::secret_hash,
            Some(PasswordHash::new(String::new())),
        ),
        status: client.read("status", parse::boolean, default.status),
        user_id_claim: None,
    };
    (settings, client.complete)
}

/// Reads the settings of one client.
struct ClientReader<'a, 'r> {
    reader: &'a mut Reader<'r>,
    id: &'a str,
    complete: bool,
}

impl ClientReader<'_, '_> {
    fn read<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
        default: T,
    ) -> T {
        let value = self.reader.read_key(&key(self.id, name), parse);
        self.complete &= value.is_some();
        value.unwrap_or(default)
    }
}

fn key(id: &str, name: &'static str) -> Key {
    Key::of_client(id, name)
}

#[cfg(test)]
mod tests {
    use super::super::super::raw::Raw;
    use super::*;

    fn read(file: &str) -> Vec<ClientProfile> {
        let mut raw = Raw::new();
        raw.add_file("a.toml", file.as_bytes());
        let mut reader = Reader::new(&raw, std::path::PathBuf::new());
        let profiles = clients(&mut reader, Some(Algorithm::EdDsa));
        assert_eq!(reader.finish().0, []);
        profiles.unwrap()
    }

    fn settings_of(profiles: &[ClientProfile], id: &str) -> String {
        let profile = profiles.iter().find(|profile| profile.id().as_str() == id).unwrap();
        let settings: &ProfileSettings = profile.settings();
        format!("{settings:#?}")
    }

    #[test]
    fn the_defaults_are_those_of_the_core() {
        let profiles = read("[clients.other]");
        assert_eq!(profiles.len(), 3);
        let (web, device) = (ProfileSettings::default(), ProfileSettings::device());
        assert_eq!(settings_of(&profiles, "web"), format!("{web:#?}"));
        assert_eq!(settings_of(&profiles, "other"), format!("{web:#?}"));
        assert_eq!(settings_of(&profiles, "device"), format!("{device:#?}"));
    }

    #[test]
    fn a_profile_with_an_error_is_rejected() {
        let mut raw = Raw::new();
        raw.add_file("a.toml", b"clients.web.rotation = 'x'");
        let mut reader = Reader::new(&raw, std::path::PathBuf::new());
        assert!(clients(&mut reader, Some(Algorithm::EdDsa)).is_none());
    }

    #[test]
    fn a_table_overrides_single_settings() {
        let profiles = read("[clients.device]\naccess_lifetime = '1h'");
        let expected = ProfileSettings {
            access_lifetime: aquaware_core::time::Lifetime::from_seconds(3600).unwrap(),
            ..ProfileSettings::device()
        };
        assert_eq!(settings_of(&profiles, "device"), format!("{expected:#?}"));
    }
}
