//! Environment variables: `AQUAWARE_` and the path in upper case, levels joined by two underscores.

use std::collections::BTreeMap;

use super::super::problem::nearest;
use super::super::schema::{self, CLIENT_SETTINGS, DefaultValue, Key, SETTINGS};
use super::super::source::{Environment, FILE_VARIABLE, PREFIX, Source};
use super::super::value::Value;
use super::Raw;

/// Adds the variables of `environment` to `raw`, which must already contain the file: variables
/// refer to the clients that the file names.
pub(super) fn add(raw: &mut Raw, environment: &Environment) {
    let ids: Vec<String> = raw.clients().map(|(id, _)| id.to_owned()).collect();
    let mut seen = BTreeMap::new();
    for (name, value) in environment.variables() {
        let source = Source::Variable(name.clone());
        let key = match key(&name.to_ascii_uppercase(), &ids) {
            Ok(key) => key,
            Err(what) => {
                raw.report(None, source, what);
                continue;
            }
        };
        let Some(value) = value else {
            raw.report(Some(key.to_string()), source, "is not valid UTF-8".to_owned());
            continue;
        };
        let Some(setting) = key.setting() else { continue };
        // Orchestrators set variables without a value; only for a list is that a value: "none".
        if value.is_empty() && !matches!(setting.default, DefaultValue::List(_)) {
            continue;
        }
        if let Some(other) = seen.insert(key.clone(), name) {
            let what = format!("{other} sets the same key; remove one of them");
            raw.report(Some(key.to_string()), source, what);
            continue;
        }
        if let Some(id) = key.client() {
            raw.add_client(id, source.clone());
        }
        raw.set(key, Value::from_variable(value, setting.default), source);
    }
}

/// The key of the variable `name`, in upper case, or the error.
fn key(name: &str, ids: &[String]) -> Result<Key, String> {
    let path = name.strip_prefix(PREFIX).unwrap_or(name);
    if let Some(rest) = path.strip_prefix("CLIENTS__") {
        return client_key(rest, ids).unwrap_or_else(|| Err(unknown(name)));
    }
    let path = path.to_ascii_lowercase().replace("__", ".");
    schema::find(SETTINGS, &path)
        .map(|setting| Key::plain(setting.path))
        .ok_or_else(|| unknown(name))
}

/// `None` if there is no client id or no such setting of a client.
fn client_key(rest: &str, ids: &[String]) -> Option<Result<Key, String>> {
    // From the right: a client id may contain two underscores, the name of a setting does not.
    let (id, name) = rest.rsplit_once("__").filter(|(id, _)| !id.is_empty())?;
    let setting = schema::find(CLIENT_SETTINGS, &name.to_ascii_lowercase())?;
    let matching: Vec<&String> =
        ids.iter().filter(|known| schema::client_in_variable(known) == id).collect();
    Some(match matching.as_slice() {
        [] => Ok(Key::of_client(&id.to_ascii_lowercase(), setting.path)),
        [one] => Ok(Key::of_client(one, setting.path)),
        [one, other, ..] => {
            Err(format!("matches the clients {one} and {other}; set it in the file instead"))
        }
    })
}

fn unknown(name: &str) -> String {
    let near = if name == FILE_VARIABLE { Some(name.to_owned()) } else { suggestion(name) };
    match near {
        _ if is_service_link(name) => {
            "unknown variable; it looks like a Kubernetes service link, which \
             `enableServiceLinks: false` in the pod disables"
                .to_owned()
        }
        Some(near) => format!("unknown variable; did you mean {near}?"),
        None => "unknown variable; unset it".to_owned(),
    }
}

/// The most similar variable. The common prefix is ignored.
fn suggestion(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    if let Some((id, leaf)) = rest.strip_prefix("CLIENTS__").and_then(|rest| rest.rsplit_once("__"))
    {
        let near = nearest(leaf, CLIENT_SETTINGS.iter().map(|setting| setting.path))?;
        return Some(Key::of_client(id, near).variable()).filter(|_| !id.is_empty());
    }
    let mut known: Vec<String> =
        SETTINGS.iter().map(|setting| Key::plain(setting.path).variable()).collect();
    known.push(FILE_VARIABLE.to_owned());
    let rests = known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    nearest(rest, rests).map(|near| format!("{PREFIX}{near}"))
}

/// What Kubernetes puts into every pod beside a service called `aquaware` or `aquaware-…`.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.contains("_PORT") && !name.contains("__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, variables: &[(&str, &str)]) -> Raw {
        let mut raw = Raw::new();
        raw.add_file("a.toml", file.as_bytes());
        raw.add_environment(&variables.iter().copied().collect());
        raw
    }

    fn problems(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
        read(file, variables).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_setting_has_a_variable_in_any_case() {
        for setting in SETTINGS {
            let expected = Key::plain(setting.path);
            assert_eq!(key(&expected.variable(), &[]), Ok(expected));
        }
        for setting in CLIENT_SETTINGS {
            let expected = Key::of_client("my_app", setting.path);
            assert_eq!(key(&expected.variable(), &[]), Ok(expected));
        }
        let raw = read("", &[("aquaware_Log__LEVEL", "off")]);
        assert_eq!(raw.effective(&Key::plain("log.level")).unwrap().value.text(), Some("off"));
    }

    #[test]
    fn an_unknown_variable_is_an_error_with_a_suggestion() {
        for (name, expected) in [
            ("AQUAWARE_LISTEN_PUBLIC", "did you mean AQUAWARE_LISTEN__PUBLIC?"),
            ("AQUAWARE_CONFIGG", "did you mean AQUAWARE_CONFIG?"),
            ("aquaware_config", "did you mean AQUAWARE_CONFIG?"),
            ("AQUAWARE_CLIENTS__WEB__ROTATOIN", "did you mean AQUAWARE_CLIENTS__WEB__ROTATION?"),
            ("AQUAWARE_CLIENTS__WEB", "unset it"),
            ("AQUAWARE_CLIENTS____ROTATION", "unset it"),
            ("AQUAWARE_SOMETHING_ELSE", "unset it"),
            ("AQUAWARE_", "unset it"),
            ("AQUAWARE_SERVICE_HOST", "`enableServiceLinks: false` in the pod disables"),
            ("AQUAWARE_PORT_8080_TCP", "`enableServiceLinks: false` in the pod disables"),
        ] {
            let errors = problems("", &[(name, "x")]);
            let start = format!("environment variable {name}: unknown variable; ");
            assert_eq!(errors.len(), 1, "{name}: {errors:?}");
            assert!(errors[0].starts_with(&start) && errors[0].ends_with(expected), "{errors:?}");
        }
    }

    #[test]
    fn a_clients_id_is_the_configured_one_that_fits_else_lower_case() {
        let file = "[clients.'My-App.eu']";
        let variables = [
            ("AQUAWARE_CLIENTS__MY_APP_EU__ROTATION", "never"),
            ("AQUAWARE_CLIENTS__Other__ROTATION", "never"),
            ("AQUAWARE_CLIENTS__TWO__PARTS__ROTATION", "never"),
        ];
        let raw = read(file, &variables);
        assert_eq!(raw.problems, []);
        let ids: Vec<_> = raw.clients().map(|(id, _)| id).collect();
        assert_eq!(ids, ["My-App.eu", "device", "other", "two__parts", "web"]);
        let rotation = raw.effective(&Key::of_client("My-App.eu", "rotation")).unwrap();
        assert_eq!(rotation.value.text(), Some("never"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset_except_for_a_list() {
        for setting in SETTINGS.iter().chain(CLIENT_SETTINGS) {
            let client = schema::find(CLIENT_SETTINGS, setting.path).is_some();
            let key = match client {
                true => Key::of_client("other", setting.path),
                false => Key::plain(setting.path),
            };
            let variable = key.variable();
            let raw = read("", &[(&variable, "")]);
            assert_eq!(raw.problems, []);
            let is_list = matches!(setting.default, DefaultValue::List(_));
            let set = raw.effective(&key).is_some_and(|entry| entry.source != Source::Default);
            assert_eq!(set, is_list, "{variable}");
            let known = raw.clients().any(|(id, _)| id == "other");
            assert_eq!(known, client && is_list, "{variable}");
        }
        let raw = read("log.level = 'off'", &[("AQUAWARE_LOG__LEVEL", "")]);
        assert_eq!(raw.effective(&Key::plain("log.level")).unwrap().value.text(), Some("off"));
        let twice = [("AQUAWARE_LOG__LEVEL", "off"), ("aquaware_log__level", "")];
        assert_eq!(read("", &twice).problems, []);
        let unknown = problems("", &[("AQUAWARE_LISTEN_PUBLIC", "")]);
        assert!(unknown[0].contains("did you mean AQUAWARE_LISTEN__PUBLIC?"), "{unknown:?}");
    }

    #[test]
    fn a_variable_that_fits_two_clients_is_an_error() {
        let errors = problems(
            "[clients.my-app]\n[clients.my_app]",
            &[("AQUAWARE_CLIENTS__MY_APP__ROTATION", "never")],
        );
        assert!(errors[0].contains("matches the clients my-app and my_app"), "{errors:?}");
    }

    #[test]
    fn two_spellings_of_one_variable_are_an_error() {
        let errors =
            problems("", &[("AQUAWARE_LOG__LEVEL", "off"), ("aquaware_log__level", "info")]);
        assert_eq!(
            errors,
            ["environment variable aquaware_log__level: log.level: AQUAWARE_LOG__LEVEL sets the \
              same key; remove one of them"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_is_an_error() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;
        let mut raw = Raw::new();
        let value = OsString::from_vec(b"\xff".to_vec());
        raw.add_environment(&[(OsString::from("AQUAWARE_ISSUER"), value)].into_iter().collect());
        let expected = "environment variable AQUAWARE_ISSUER: issuer: is not valid UTF-8";
        assert_eq!(raw.problems[0].to_string(), expected);
    }
}
