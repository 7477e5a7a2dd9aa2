//! `[clients.ID]`: one profile each. The core says which profiles are possible.

use aquaware_core::id::ClientId;
use aquaware_core::jwt::Algorithm;
use aquaware_core::policy::{ClientProfile, ProfileSettings, Rotation, Transport};
use aquaware_core::secret::PasswordHash;

use super::super::parse::{self, Parsed};
use super::super::reader::Reader;
use super::super::schema::{self, Key};
use super::super::value::Value;

/// Every client's profile, in order of ids; `None` after any problem.
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
    let name = client_id(reader, id);
    let (settings, complete) = settings(reader, id);
    if settings.status && algorithm.is_some_and(Algorithm::is_symmetric) {
        let what = "expected false with keys.algorithm = \"HS256\": no status list can be signed \
                    for others with a shared secret";
        reader.conflict(&key(id, "status"), what);
    }
    ClientProfile::new(name?, settings)
        .map_err(|errors| {
            for error in errors {
                reader.conflict(&key(id, error.setting()), error);
            }
        })
        .ok()
        .filter(|_| complete)
}

fn client_id(reader: &mut Reader<'_>, id: &str) -> Option<ClientId> {
    let name = ClientId::new(id).ok();
    if name.is_none() {
        let table = format!("clients.{}", schema::key_part(id));
        let (_, source) = reader.clients().find(|(known, _)| *known == id)?;
        let what = "expected a client id of 1 to 64 letters, digits, \".\", \"_\" and \"-\"";
        reader.misnamed(table, source.clone(), what);
    }
    name
}

/// The settings of `id`, and whether all of them were understood. Defaults stand in for the
/// others, so that the combinations of the rest are judged all the same.
fn settings(reader: &mut Reader<'_>, id: &str) -> (ProfileSettings, bool) {
    let rotations = [("always", Rotation::Always), ("never", Rotation::Never)];
    let transports = [("body", Transport::Body), ("cookie", Transport::Cookie)];
    let good = ProfileSettings::default();
    let mut of = Of { reader, id, complete: true };
    let settings = ProfileSettings {
        access_lifetime: of.read("access_lifetime", parse::lifetime, good.access_lifetime),
        refresh_lifetime: of.read("refresh_lifetime", parse::lifetime, good.refresh_lifetime),
        session_lifetime: of.read("session_lifetime", parse::lifetime, good.session_lifetime),
        rotation: of.read("rotation", parse::word(&rotations), good.rotation),
        retry_window: of.read("retry_window", parse::duration, good.retry_window),
        transport: of.read("refresh_transport", parse::word(&transports), good.transport),
        audience: of.read("audience", parse::audiences, good.audience),
        scopes: of.read("scopes", parse::scopes, good.scopes),
        grants: of.read("grants", parse::grants, good.grants),
        // A hash that isn't understood is there, so nobody is told that it is missing.
        secret: of.read("secret_hash", parse::secret_hash, Some(PasswordHash::new(String::new()))),
        status: of.read("status", parse::boolean, good.status),
    };
    (settings, of.complete)
}

/// The settings of one client.
struct Of<'a, 'r> {
    reader: &'a mut Reader<'r>,
    id: &'a str,
    complete: bool,
}

impl Of<'_, '_> {
    fn read<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
        otherwise: T,
    ) -> T {
        let meant = self.reader.read_key(&key(self.id, name), parse);
        self.complete &= meant.is_some();
        meant.unwrap_or(otherwise)
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
        let settings: &ProfileSettings = profile;
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
    fn a_profile_with_a_mistake_is_no_profile() {
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
