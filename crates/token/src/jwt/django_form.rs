//! Refresh tokens in a form that Django accepts too, so that clients can go back to it.
//!
//! The form is a refresh token of djangorestframework-simplejwt, signed with Django's key. Its `jti`
//! has what remains of a refresh token of this system: the key id, the session, the generation and the
//! signature. With the other claims it gives the token again, byte by byte, and the rules for that one
//! decide; nothing here is trusted for anything. Django copies every claim of a refresh token into
//! access tokens, except `token_type`, `exp`, `iat` and `jti`: a secret in another claim would reach
//! services.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::algorithm::Algorithm;
use super::key::encoded_header;
use super::token_type::{MAX_TOKEN_BYTES, TokenType};
use super::verify::{OWN_JTI, Parts, SimpleJwtCheck, parts, user_id};
use crate::claims::RefreshClaims;
use crate::id::{Audience, ClientId, Issuer, KeyId, Subject};
use crate::json::ClaimReader;
use crate::secret::RefreshToken;

/// The form for the refresh tokens of one client.
#[derive(Clone, Copy, Debug)]
pub struct DjangoForm<'a> {
    /// The issuer of the tokens.
    pub issuer: &'a Issuer,
    /// Their client.
    pub client: &'a ClientId,
    /// The claim in which Django looks for the id of the user.
    pub user_id_claim: &'a str,
}

impl DjangoForm<'_> {
    /// `token` in this form, signed with the key of `django`. `None` if it is not a refresh token of
    /// this client.
    #[must_use]
    pub fn wrap(&self, token: &RefreshToken, django: &SimpleJwtCheck) -> Option<RefreshToken> {
        let Parts { header, payload, .. } = parts(token.expose(), MAX_TOKEN_BYTES).ok()?;
        let claims = RefreshClaims::read(&mut ClaimReader::new(&payload).ok()?).ok()?;
        let (_, signature) = token.expose().rsplit_once('.')?;
        let (kid, sid, generation) = (header.kid?, claims.sid, claims.generation.number());
        let jti = format!("{OWN_JTI}{kid}.{sid}.{generation}.{signature}");
        let wrapped = django.sign(&json!({
            "token_type": "refresh",
            "exp": claims.exp,
            "iat": claims.iat,
            "jti": jti,
            self.user_id_claim: claims.sub,
        }));
        let is_whole = self.unwrap(&wrapped).is_some_and(|it| it.expose() == token.expose());
        is_whole.then(|| RefreshToken::new(wrapped))
    }

    /// The refresh token in a token of this form, neither of which is verified. `None` for any other
    /// token.
    #[must_use]
    pub fn unwrap(&self, token: &str) -> Option<RefreshToken> {
        let Parts { header, payload, .. } = parts(token, MAX_TOKEN_BYTES).ok()?;
        if header.alg != Algorithm::Hs256.as_str() {
            return None;
        }
        let mut claims = ClaimReader::new(&payload).ok()?;
        let jti: String = claims.required("jti").ok()?;
        let mut parts = jti.strip_prefix(OWN_JTI)?.split('.');
        let (kid, sid, generation, signature) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let claims = RefreshClaims {
            iss: self.issuer.clone(),
            aud: Audience::from(self.issuer),
            sid: sid.parse().ok()?,
            generation: serde_json::from_str(generation).ok()?,
            client_id: self.client.clone(),
            iat: claims.required("iat").ok()?,
            exp: claims.required("exp").ok()?,
            sub: Subject::new(user_id(claims.rest().remove(self.user_id_claim))?).ok()?,
        };
        let kid = KeyId::new(kid).ok()?;
        let mut own = encoded_header(TokenType::Refresh.typ(), Algorithm::Hs256, &kid);
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).ok()?, &mut own);
        own.push('.');
        own.push_str(signature);
        Some(RefreshToken::new(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Generation, SessionId};
    use crate::jwt::{Keys, RefreshCheck, SigningKey, SimpleJwtError, VerifyingKey};
    use crate::secret::KeyMaterial;
    use crate::testing::fixture::{self, NOW};

    const KEY: &[u8] = b"a signing key of Django that is long enough";

    struct Ring(SigningKey);

    impl Keys for Ring {
        fn verifying_key(&self, kid: &KeyId) -> Option<&VerifyingKey> {
            (self.0.kid() == kid).then(|| self.0.verifying_key())
        }
    }

    fn ring() -> Ring {
        let secret: Vec<u8> = (0..32).map(|n: u8| n.wrapping_mul(151).wrapping_add(7)).collect();
        let (kid, material) = (KeyId::new("k-_Ab123").unwrap(), KeyMaterial::new(secret));
        Ring(SigningKey::new(kid, TokenType::Refresh, Algorithm::Hs256, &material).unwrap())
    }

    fn claims(sub: &str) -> RefreshClaims {
        RefreshClaims {
            iss: fixture::issuer(),
            aud: Audience::from(&fixture::issuer()),
            sub: Subject::new(sub).unwrap(),
            sid: SessionId::from_bytes([7; 16]),
            generation: Generation::new(41).unwrap(),
            client_id: fixture::client("simplejwt"),
            iat: NOW,
            exp: NOW.plus(std::time::Duration::from_secs(86_400)),
        }
    }

    fn with_form<T>(action: impl FnOnce(DjangoForm<'_>, &SimpleJwtCheck) -> T) -> T {
        let (issuer, client) = (fixture::issuer(), fixture::client("simplejwt"));
        let form = DjangoForm { issuer: &issuer, client: &client, user_id_claim: "user_id" };
        action(form, &SimpleJwtCheck::new(KEY, "user_id"))
    }

    #[test]
    fn a_refresh_token_in_the_form_of_django_is_valid_there_and_gives_the_same_token_again() {
        with_form(|form, django| {
            for sub in ["1", "3f2504e0-4f89-41d3-9a0c-030500000001", "a \"b\" \u{e9}"] {
                let token = ring().0.sign_refresh(&claims(sub)).unwrap();
                let wrapped = form.wrap(&token, django).unwrap();
                assert!(django.is_signed(wrapped.expose()));
                let own = form.unwrap(wrapped.expose()).unwrap();
                assert_eq!(own.expose(), token.expose());
                let check = RefreshCheck { issuer: form.issuer };
                let read = check.check(own.expose(), &ring(), NOW).unwrap();
                assert_eq!(read.into_inner(), claims(sub));
                let again = form.wrap(&token, django).unwrap();
                assert_eq!(again.expose(), wrapped.expose(), "a retry returns the same token");
            }
        });
    }

    #[test]
    fn tokens_in_the_form_of_an_earlier_release_give_the_same_token_again() {
        with_form(|form, django| {
            assert!(django.is_signed(WRAPPED));
            assert_eq!(form.unwrap(WRAPPED).unwrap().expose(), OWN);
            assert_eq!(ring().0.sign_refresh(&claims("1")).unwrap().expose(), OWN);
        });
    }

    const OWN: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImstX0FiMTIzIiwidHlwIjoicnQrand0In0.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20vcHJvZDEiLCJhdWQiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20vcHJvZDEiLCJzdWIiOiIxIiwic2lkIjoiQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCdyIsImdlbiI6NDEsImNsaWVudF9pZCI6InNpbXBsZWp3dCIsImlhdCI6MTc5MDAwMDAwMCwiZXhwIjoxNzkwMDg2NDAwfQ.dGAfzbNGEkwC8_TcDKoMCCOYEIFt_RjhWTTUZHWJEkc";
    const WRAPPED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTAwODY0MDAsImlhdCI6MTc5MDAwMDAwMCwianRpIjoiYXF1YXdhcmUuay1fQWIxMjMuQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCdy40MS5kR0FmemJOR0Vrd0M4X1RjREtvTUNDT1lFSUZ0X1JqaFdUVFVaSFdKRWtjIiwidG9rZW5fdHlwZSI6InJlZnJlc2giLCJ1c2VyX2lkIjoiMSJ9.EO-d1D9hOL2UTsXicMZ6dw5Kee2TJfodKUAgg9Th42I";

    #[test]
    fn a_changed_part_gives_no_valid_token() {
        with_form(|form, django| {
            let token = ring().0.sign_refresh(&claims("1")).unwrap();
            let jti = |kid: &str, sid: &SessionId, generation: u32| {
                let (_, signature) = token.expose().rsplit_once('.').unwrap();
                format!("aquaware.{kid}.{sid}.{generation}.{signature}")
            };
            let signed = |jti: &str, exp: i64, user: &str| {
                django.sign(&json!({
                    "token_type": "refresh", "jti": jti, "user_id": user,
                    "iat": NOW.seconds(), "exp": exp,
                }))
            };
            let valid = |text: &str| {
                let own = form.unwrap(text);
                let check = RefreshCheck { issuer: form.issuer };
                own.is_some_and(|own| check.check(own.expose(), &ring(), NOW).is_ok())
            };
            let (kid, sid) = ("k-_Ab123", SessionId::from_bytes([7; 16]));
            let (exp, right) = (NOW.seconds() + 86_400, jti("k-_Ab123", &sid, 41));
            assert!(valid(&signed(&right, exp, "1")));
            for (jti, exp, user) in [
                (jti(kid, &sid, 42), exp, "1"),
                (jti(kid, &SessionId::from_bytes([8; 16]), 41), exp, "1"),
                (jti("other", &sid, 41), exp, "1"),
                (jti("not a key id", &sid, 41), exp, "1"),
                (format!("{right}.x"), exp, "1"),
                (right.replace(".41.", ".+41."), exp, "1"),
                (right.replace(".41.", ".0."), exp, "1"),
                (right.replace("aquaware.", "aquaware"), exp, "1"),
                (right.clone(), exp + 1, "1"),
                (right.clone(), exp, "2"),
                ("aquaware".to_owned(), exp, "1"),
                (String::new(), exp, "1"),
            ] {
                assert!(!valid(&signed(&jti, exp, user)), "{jti} {exp} {user}");
            }
            for text in ["", "a.b.c", token.expose()] {
                assert!(form.unwrap(text).is_none(), "{text}");
            }
            let other = fixture::client("web");
            let other = DjangoForm { client: &other, ..form };
            assert!(other.wrap(&token, django).is_none(), "a token of another client");
        });
    }

    #[test]
    fn a_token_in_this_form_is_not_one_of_django() {
        with_form(|form, django| {
            let token = ring().0.sign_refresh(&claims("1")).unwrap();
            let wrapped = form.wrap(&token, django).unwrap();
            let checked = django.check_refresh(wrapped.expose(), NOW);
            assert_eq!(checked.unwrap_err(), SimpleJwtError::Invalid);
        });
    }
}
