//! The labels of the metrics, and their values.

use aquaware_core::jwt::TokenType;
use aquaware_core::keys::Phase;
use aquaware_core::service::{RefreshError, RefreshOutcome};
use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    /// The pattern of the route.
    pub(super) route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    /// The pattern of the route.
    pub(super) route: String,
    /// A known method, or `other`.
    pub(super) method: &'static str,
    pub(super) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeliveryLabels {
    pub(super) channel: &'static str,
    pub(super) outcome: &'static str,
}

impl DeliveryLabels {
    pub(super) const fn new(channel: Channel, outcome: DeliveryOutcome) -> Self {
        Self { channel: channel.as_str(), outcome: outcome.as_str() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefreshLabels {
    pub(super) verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StoreLabels {
    pub(super) store: &'static str,
    pub(super) operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StoreCallLabels {
    pub(super) store: &'static str,
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KeyLabels {
    pub(super) r#type: &'static str,
    pub(super) phase: &'static str,
}

pub(super) const fn type_name(token_type: TokenType) -> &'static str {
    match token_type {
        TokenType::Access => "access",
        TokenType::Refresh => "refresh",
    }
}

pub(super) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Next => "next",
        Phase::Active => "active",
        Phase::Retiring => "retiring",
        Phase::Gone => "gone",
    }
}

/// The outcome of a login. A wrong password, an unknown login and a disabled account are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Succeeded,
    InvalidCredentials,
    AccountLocked,
    RateLimited,
    EmailNotVerified,
    ClientNotAllowed,
    InvalidScope,
    Overloaded,
    Failed,
}

impl LoginOutcome {
    pub(super) const ALL: [Self; 9] = [
        Self::Succeeded,
        Self::InvalidCredentials,
        Self::EmailNotVerified,
        Self::AccountLocked,
        Self::RateLimited,
        Self::ClientNotAllowed,
        Self::InvalidScope,
        Self::Overloaded,
        Self::Failed,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::InvalidCredentials => "invalid_credentials",
            Self::EmailNotVerified => "email_not_verified",
            Self::AccountLocked => "account_locked",
            Self::RateLimited => "rate_limited",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::InvalidScope => "invalid_scope",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
        }
    }
}

/// How a message leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// By mail to a user.
    Mail,
    /// To the receiver of the webhook.
    Webhook,
}

impl Channel {
    pub(super) const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }
}

/// The outcome of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver confirmed it.
    Delivered,
    /// An attempt failed; there will be another one.
    Failed,
    /// There will be no further attempt.
    Dropped,
    /// An event could not be written to the outbox.
    NotStored,
}

impl DeliveryOutcome {
    pub(super) const ALL: [Self; 4] =
        [Self::Delivered, Self::Failed, Self::Dropped, Self::NotStored];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::NotStored => "not_stored",
        }
    }
}

/// What became of a refresh whose token this issuer signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshVerdict {
    Advanced,
    Kept,
    Repeated,
    Healed,
    Reused,
    Ended,
    Expired,
    Unknown,
    Rejected,
    Failed,
}

impl RefreshVerdict {
    pub(super) const ALL: [Self; 10] = [
        Self::Advanced,
        Self::Kept,
        Self::Repeated,
        Self::Healed,
        Self::Reused,
        Self::Ended,
        Self::Expired,
        Self::Unknown,
        Self::Rejected,
        Self::Failed,
    ];

    pub(crate) fn of<T>(result: &Result<(T, RefreshOutcome), RefreshError>) -> Self {
        match result {
            Ok((_, RefreshOutcome::Advanced)) => Self::Advanced,
            Ok((_, RefreshOutcome::Kept)) => Self::Kept,
            Ok((_, RefreshOutcome::Repeated | RefreshOutcome::RepeatedElsewhere { .. })) => {
                Self::Repeated
            }
            Ok((_, RefreshOutcome::Healed)) => Self::Healed,
            Err(RefreshError::Reused) => Self::Reused,
            Err(RefreshError::Ended(_)) => Self::Ended,
            Err(RefreshError::Expired) => Self::Expired,
            Err(RefreshError::Unknown) => Self::Unknown,
            Err(
                RefreshError::Token(_)
                | RefreshError::NotAllowed
                | RefreshError::Foreign
                | RefreshError::InvalidScope,
            ) => Self::Rejected,
            Err(RefreshError::Service(_)) => Self::Failed,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Advanced => "advanced",
            Self::Kept => "kept",
            Self::Repeated => "repeated",
            Self::Healed => "healed",
            Self::Reused => "reused",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}
