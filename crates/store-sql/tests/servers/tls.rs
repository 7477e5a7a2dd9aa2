//! TLS: what is asked for is had or refused, as the words for it promise.

use std::io::Write as _;
use std::time::Duration;

use aquaware_core::store::SessionStore as _;
use aquaware_servers::Tls;
use aquaware_store_sql::{OpenError, Refusal};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;

use crate::engine::{Engine, Opening, Space, Starting};
use crate::sample::{run, session};

on_each_engine!(protection_is_had_as_asked_for, where_there_is_no_tls_it_is_missed);

/// An authority, as a file.
fn authority() -> (CertifiedIssuer<'static, KeyPair>, NamedTempFile) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(authority.as_ref().pem().as_bytes()).unwrap();
    (authority, file)
}

/// What `authority` says of a server of that name.
fn certificate(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Tls {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Tls { certificate: certificate.pem(), private_key: key.serialize_pem() }
}

fn open<E: Engine>(
    space: &Space<'_, E>,
    mode: &str,
    file: Option<&NamedTempFile>,
) -> Result<E::Store, OpenError> {
    let (mut url, postgres) = (space.url(), E::NAME == "PostgreSQL");
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(if postgres { "sslmode=" } else { "ssl-mode=" });
    url.push_str(mode);
    if let Some(file) = file {
        url.push_str(if postgres { "&sslrootcert=" } else { "&ssl-ca=" });
        url.push_str(&file.path().display().to_string().replace('/', "%2F"));
    }
    E::open(&url, Opening { timeout: Duration::from_secs(20), ..Opening::default() })
}

/// Whether the store is spoken to in private; `None` if it can't be for want of TLS.
fn encrypted<E: Engine>(opened: Result<E::Store, OpenError>) -> Option<bool> {
    match opened {
        Ok(store) => {
            run(async { store.insert(&session(1)).await.unwrap() });
            run(E::facts(&store)).unwrap().encrypted
        }
        Err(OpenError::Server { why: Refusal::Tls(_), .. }) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// The words for off, prefer, require, verify the authority, verify the name.
fn words<E: Engine>() -> [&'static str; 5] {
    if E::NAME == "PostgreSQL" {
        ["disable", "prefer", "require", "verify-ca", "verify-full"]
    } else {
        ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]
    }
}

fn protection_is_had_as_asked_for<E: Engine>() {
    let [off, prefer, require, verify_ca, verify_name] = words::<E>();
    let ((ours, file), (_, others)) = (authority(), authority());
    let good =
        E::start(&Starting { tls: Some(certificate(&ours, "127.0.0.1")), ..Starting::default() });
    let space = Space::<E>::on(&good);
    let had = |mode, file| encrypted::<E>(open(&space, mode, file));
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

    let other_name =
        E::start(&Starting { tls: Some(certificate(&ours, "db.example")), ..Starting::default() });
    let space = Space::<E>::on(&other_name);
    let had = |mode, file| encrypted::<E>(open(&space, mode, file));
    assert_eq!(had(require, None), Some(true));
    // MySQL's driver looks at the name whenever it looks at the authority.
    let without_name = if E::NAME == "PostgreSQL" { Some(true) } else { None };
    assert_eq!(had(verify_ca, Some(&file)), without_name);
    assert_eq!(had(verify_name, Some(&file)), None);
}

fn where_there_is_no_tls_it_is_missed<E: Engine>() {
    let [off, prefer, require, ..] = words::<E>();
    let space = Space::<E>::new();
    let had = |mode| encrypted::<E>(open(&space, mode, None));
    assert_eq!(had(off), Some(false));
    assert_eq!(had(prefer), Some(false));
    assert_eq!(had(require), None);
    let Err(error) = open::<E>(&space, require, None) else { panic!("opened") };
    assert!(error.to_string().contains("TLS: the server offers none"), "{error}");
}
