//! proptest strategies that generate valid ids, times and claims (feature `proptest`). Values that
//! have whole seconds on the wire have whole seconds here.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::fixture;
use crate::claims::{AccessClaims, Audiences, ExtraClaims, RefreshClaims, Scope};
use crate::id::{Audience, ClientId, Generation, Issuer, SessionId, Subject};
use crate::status::StatusIndex;
use crate::time::{Lifetime, Timestamp};

/// Instants from 1970 to 2100, in milliseconds.
pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0..4_102_444_800_000_i64).prop_map(Timestamp::from_millis)
}

/// Instants from 1970 to 2100, in whole seconds.
pub fn second() -> impl Strategy<Value = Timestamp> {
    (0..4_102_444_800_i64).prop_map(Timestamp::from_seconds)
}

/// Lifetimes from a second to a hundred years.
pub fn lifetime() -> impl Strategy<Value = Lifetime> {
    (1..=100 * 365 * 86_400_u64).prop_filter_map("in range", Lifetime::from_seconds)
}

/// Generations: mostly small, some of any size.
pub fn generation() -> impl Strategy<Value = Generation> {
    prop_oneof![4 => 1..1000_u64, 1 => 1..=Generation::MAX.number()]
        .prop_filter_map("in range", Generation::new)
}

/// Session ids.
pub fn session_id() -> impl Strategy<Value = SessionId> {
    any::<[u8; 16]>().prop_map(SessionId::from_bytes)
}

/// Subjects: UUID-like, or text in any script.
pub fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof!["[0-9a-f]{8}-[0-9a-f]{27}", "[\\PC]{1,60}"]
        .prop_filter_map("a subject", |text| Subject::new(text).ok())
}

/// Client ids.
pub fn client_id() -> impl Strategy<Value = ClientId> {
    "[A-Za-z0-9._-]{1,64}".prop_filter_map("a client id", |text| ClientId::new(text).ok())
}

/// Issuers.
pub fn issuer() -> impl Strategy<Value = Issuer> {
    "https?://[a-z0-9.]{1,40}(:[0-9]{2,4})?(/[a-zA-Z0-9%_~-]{1,20}){0,2}"
        .prop_filter_map("an issuer", |text| Issuer::new(text).ok())
}

/// Audiences.
pub fn audience() -> impl Strategy<Value = Audience> {
    prop_oneof!["https://[a-z]{1,20}\\.example", "[\\PC]{1,40}"]
        .prop_filter_map("an audience", |text| Audience::new(text).ok())
}

/// Scopes of up to four tokens.
pub fn scope() -> impl Strategy<Value = Scope> {
    let tokens = btree_set("[a-z0-9:._/#-]{1,12}", 0..4);
    tokens.prop_filter_map("a scope", |tokens| {
        Scope::from_tokens(tokens.iter().map(String::as_str)).ok()
    })
}

/// Extra claims: any JSON with integers up to ±2^53, without fractions, under names that are not reserved.
pub fn extra_claims() -> impl Strategy<Value = ExtraClaims> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
        "[\\PC]{0,16}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[\\PC]{0,8}", inner), 0..4).prop_map(|members| {
                Value::Object(members.into_iter().collect::<Map<String, Value>>())
            }),
        ]
    });
    vec(("x_[a-z\\PC]{0,8}", value), 0..4).prop_map(|members| members.into_iter().collect())
}

/// Status list indices.
pub fn status_index() -> impl Strategy<Value = StatusIndex> {
    any::<u32>().prop_map(StatusIndex::from_number)
}

/// Refresh token claims.
pub fn refresh_claims() -> impl Strategy<Value = RefreshClaims> {
    (issuer(), subject(), session_id(), generation(), client_id(), second(), second()).prop_map(
        |(iss, sub, sid, generation, client_id, iat, exp)| RefreshClaims {
            aud: (&iss).into(),
            iss,
            sub,
            sid,
            generation,
            client_id,
            iat,
            exp,
        },
    )
}

/// Access token claims.
pub fn access_claims() -> impl Strategy<Value = AccessClaims> {
    let audiences = prop_oneof![
        audience().prop_map(Audiences::One),
        vec(audience(), 1..4).prop_map(Audiences::Many),
    ];
    let names = (issuer(), subject(), audiences, "[A-Za-z0-9_-]{16}", client_id());
    let times = (second(), second(), option::of(second()), option::of(second()));
    let status = option::of(status_index().prop_map(|index| index.claim(&fixture::issuer())));
    (names, times, option::of(session_id()), scope(), status, extra_claims()).prop_map(
        |(
            (iss, sub, aud, jti, client_id),
            (exp, iat, nbf, auth_time),
            sid,
            scope,
            status,
            extra,
        )| {
            AccessClaims {
                iss,
                sub,
                aud,
                exp,
                iat,
                nbf,
                jti,
                client_id,
                sid,
                auth_time,
                scope,
                status,
                extra,
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn generated_extra_claims_are_allowed(claims in extra_claims()) {
            prop_assert!(crate::claims::check_extra(claims).is_ok());
        }
    }
}
