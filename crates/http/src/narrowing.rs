//! The `resource` of a request (RFC 8707): checked before anything is used up, applied to the access
//! token of the response.

use aquaware_core::policy::{ClientProfile, InvalidTargetError, Target};
use aquaware_core::service::{Granted, RequestContext};

use crate::body::Text;
use crate::problem::Problem;
use crate::state::State;

/// The audiences that a request asks for, if it asks for any.
pub(crate) struct Narrowing<'a>(Option<(&'a ClientProfile, Target)>);

impl<'a> Narrowing<'a> {
    /// Checks the requested resources. A client that is not configured has none to check against.
    ///
    /// # Errors
    /// [`InvalidTargetError`].
    pub(crate) fn of(
        profile: Option<&'a ClientProfile>,
        context: &RequestContext,
        resources: &[Text],
    ) -> Result<Self, InvalidTargetError> {
        let Some(profile) = profile else { return Ok(Self(None)) };
        let resources = resources.iter().map(|resource| resource.as_str());
        let target = profile.target(context.issuer(), resources)?;
        Ok(Self(target.map(|target| (profile, target))))
    }

    /// The requested audiences.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.0.as_ref().map(|(_, target)| target)
    }

    /// Restricts the access token to the requested audiences.
    ///
    /// # Errors
    /// When the token cannot be signed.
    pub(crate) fn apply(
        &self,
        state: &State,
        context: &RequestContext,
        granted: Granted,
    ) -> Result<Granted, Problem> {
        match &self.0 {
            None => Ok(granted),
            Some((profile, target)) => {
                state.sessions.narrow(context, profile, granted, target).map_err(Problem::from)
            }
        }
    }
}
