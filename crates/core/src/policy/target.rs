//! Resource indicators (RFC 8707): an access token for some of a client's audiences.

use thiserror::Error;

use super::ClientProfile;
use crate::claims::Audiences;
use crate::id::{Audience, Issuer};

/// The audiences of one access token, which are among its client's. Only [`ClientProfile::target`]
/// creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Audiences);

impl Target {
    /// The `aud` of the token.
    #[must_use]
    pub const fn audiences(&self) -> &Audiences {
        &self.0
    }
}

/// A requested resource is not an audience of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a requested resource is not an audience of the client")]
pub struct InvalidTargetError;

impl ClientProfile {
    /// The audiences of an access token for `resources`; `None` without resources, which means all
    /// audiences. Resources are compared exactly. A client without an audience may
    /// request the issuer.
    ///
    /// # Errors
    /// [`InvalidTargetError`].
    pub fn target<'a>(
        &self,
        issuer: &Issuer,
        resources: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Target>, InvalidTargetError> {
        let own = [Audience::from(issuer)];
        let allowed = match self.settings.audience.as_slice() {
            [] => own.as_slice(),
            some => some,
        };
        let mut chosen: Vec<Audience> = Vec::new();
        for resource in resources {
            let audience = allowed.iter().find(|audience| audience.as_str() == resource);
            let audience = audience.ok_or(InvalidTargetError)?;
            if !chosen.contains(audience) {
                chosen.push(audience.clone());
            }
        }
        Ok(match chosen.len() {
            0 => None,
            1 => chosen.pop().map(|one| Target(Audiences::One(one))),
            _ => Some(Target(Audiences::Many(chosen))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ProfileSettings;
    use crate::testing::fixture;

    fn target(audiences: &[&str], resources: &[&str]) -> Result<Option<Vec<String>>, ()> {
        let audience = audiences.iter().map(|it| Audience::new(*it).unwrap()).collect();
        let settings = ProfileSettings { audience, ..ProfileSettings::default() };
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        let profile = fixture::profile("web", settings);
        let target = profile.target(&issuer, resources.iter().copied()).map_err(|_| ())?;
        Ok(target.map(|target| match target.audiences() {
            Audiences::One(one) => vec![one.as_str().to_owned()],
            Audiences::Many(many) => many.iter().map(|it| it.as_str().to_owned()).collect(),
        }))
    }

    #[test]
    fn a_target_has_the_requested_audiences_and_no_others() {
        let (a, b) = ("https://a.example", "https://b.example");
        let some = |audiences: &[&str]| Ok(Some(audiences.iter().map(|it| (*it).into()).collect()));
        assert_eq!(target(&[a, b], &[]), Ok(None));
        assert_eq!(target(&[a, b], &[b]), some(&[b]));
        assert_eq!(target(&[a, b], &[b, a, b]), some(&[b, a]));
        assert_eq!(target(&[], &["https://auth.example.com"]), some(&["https://auth.example.com"]));
    }

    #[test]
    fn resources_that_are_not_exactly_an_audience_are_rejected() {
        let a = "https://a.example";
        for resources in [
            &["https://b.example"][..],
            &[a, "https://b.example"],
            &["https://a.example/"],
            &["https://A.example"],
            &[" https://a.example"],
            &[""],
            &["https://auth.example.com"],
        ] {
            assert_eq!(target(&[a], resources), Err(()), "{resources:?}");
        }
        assert_eq!(target(&[], &["https://auth.example.com/"]), Err(()));
    }
}
