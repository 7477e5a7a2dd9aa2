//! TLS: every mode of the URL does what its name promises.

use std::io::Write as _;
use std::time::Duration;

use aquaware_core::store::SessionStore as _;
use aquaware_servers::Tls;
use aquaware_store_sql::{OpenError, ServerError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;

use crate::engine::{Engine, OpenWith, ServerConfig, TestDatabase};
use crate::fixtures::{run, session};

on_each_engine!(
    the_tls_mode_in_the_url_is_enforced,
    a_server_without_tls_is_rejected_where_tls_is_required
);

/// A certificate authority, and its certificate as a file.
fn authority() -> (CertifiedIssuer<'static, KeyPair>, NamedTempFile) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(authority.as_ref().pem().as_bytes()).unwrap();
    (authority, file)
}

/// A certificate of `authority` for a server with that name.
fn certificate(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Tls {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Tls { certificate: certificate.pem(), private_key: key.serialize_pem() }
}

fn open<E: Engine>(
    database: &TestDatabase<'_, E>,
    mode: &str,
    file: Option<&NamedTempFile>,
) -> Result<E::Store, OpenError> {
    let (mut url, postgres) = (database.url(), E::NAME == "PostgreSQL");
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(if postgres { "sslmode=" } else { "ssl-mode=" });
    url.push_str(mode);
    if let Some(file) = file {
        url.push_str(if postgres { "&sslrootcert=" } else { "&ssl-ca=" });
        url.push_str(&file.path().display().to_string().replace('/', "%2F"));
    }
    E::open(&url, OpenWith { timeout: Duration::from_secs(20), ..OpenWith::default() })
}

/// Whether the store's connection is encrypted; `None` if TLS failed.
fn encrypted<E: Engine>(opened: Result<E::Store, OpenError>) -> Option<bool> {
    match opened {
        Ok(store) => {
            run(async { store.insert(&session(1)).await.unwrap() });
            run(E::facts(&store)).unwrap().encrypted
        }
        Err(OpenError::Server { reason: ServerError::Tls(_), .. }) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// The names of the modes: off, prefer, require, verify the authority, verify the name.
fn mode_names<E: Engine>() -> [&'static str; 5] {
    if E::NAME == "PostgreSQL" {
        ["disable", "prefer", "require", "verify-ca", "verify-full"]
    } else {
        ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]
    }
}

fn the_tls_mode_in_the_url_is_enforced<E: Engine>() {
    let [off, prefer, require, verify_ca, verify_name] = mode_names::<E>();
    let ((ours, file), (_, others)) = (authority(), authority());
    let good = E::start(&ServerConfig {
        tls: Some(certificate(&ours, "127.0.0.1")),
        ..ServerConfig::default()
    });
    let database = TestDatabase::<E>::on(&good);
    let had = |mode, file| encrypted::<E>(open(&database, mode, file));
    assert_eq!(had(off, None), Some(false));
    assert_eq!(had(prefer, None), Some(true));
    assert_eq!(had(require, None), Some(true));
    assert_eq!(had(verify_ca, Some(&file)), Some(true));
    assert_eq!(had(verify_name, Some(&file)), Some(true));
    // An authority that was named is never ignored.
    for mode in [prefer, require, verify_ca, verify_name] {
        assert_eq!(had(mode, Some(&others)), None, "{mode}");
    }
    drop(good);

    let other_name = E::start(&ServerConfig {
        tls: Some(certificate(&ours, "db.example")),
        ..ServerConfig::default()
    });
    let database = TestDatabase::<E>::on(&other_name);
    let had = |mode, file| encrypted::<E>(open(&database, mode, file));
    assert_eq!(had(require, None), Some(true));
    // MySQL's driver looks at the name whenever it looks at the authority.
    let without_name = if E::NAME == "PostgreSQL" { Some(true) } else { None };
    assert_eq!(had(verify_ca, Some(&file)), without_name);
    assert_eq!(had(verify_name, Some(&file)), None);
}

fn a_server_without_tls_is_rejected_where_tls_is_required<E: Engine>() {
    let [off, prefer, require, ..] = mode_names::<E>();
    let database = TestDatabase::<E>::new();
    let had = |mode| encrypted::<E>(open(&database, mode, None));
    assert_eq!(had(off), Some(false));
    assert_eq!(had(prefer), Some(false));
    assert_eq!(had(require), None);
    let Err(error) = open::<E>(&database, require, None) else { panic!("opened") };
    assert!(error.to_string().contains("TLS: the server does not offer it"), "{error}");
}
