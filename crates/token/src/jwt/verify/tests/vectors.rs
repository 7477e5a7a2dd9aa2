//! The published examples: RFC 7515 A.1–A.3 and RFC 8037 A.4.
//!
//! None of them has a `kid` or a `typ`, so they are not valid tokens here. The tests cover the
//! parts, the key as a JWK, and the signature.

use super::*;
use crate::jwt::KeySet;

const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn verifies(algorithm: Algorithm, key: &jsonwebtoken::DecodingKey, token: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&engine_algorithm(algorithm), key).unwrap();
    verifier.verify(message.as_bytes(), &signature).is_ok()
}

fn check_vector(algorithm: Algorithm, mut jwk: Value, token: &str) {
    jwk.as_object_mut().unwrap().insert("kid".to_owned(), "k".into());
    let keys = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let key = keys.verifying_key(&KeyId::new("k").unwrap()).unwrap();
    assert_eq!(key.algorithm(), algorithm);
    assert!(verifies(algorithm, &key.decoding, token));
    let other = token.replacen("eyJ", "eyK", 1);
    assert!(!verifies(algorithm, &key.decoding, &other));
}

#[test]
fn rfc_8037_a_4_ed25519() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    check_vector(Algorithm::EdDsa, jwk, token);
}

#[test]
fn rfc_7515_a_3_es256() {
    let token = format!(
        "eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    check_vector(Algorithm::Es256, jwk, &token);
}

#[test]
fn rfc_7515_a_2_rs256() {
    let token = format!(
        "eyJhbGciOiJSUzI1NiJ9.{JOE}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let jwk = json!({
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    });
    check_vector(Algorithm::Rs256, jwk, &token);
}

#[test]
fn rfc_7515_a_1_hs256() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.".to_owned()
        + JOE
        + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let material = crate::secret::KeyMaterial::new(secret);
    let kid = KeyId::new("k").unwrap();
    let key = SigningKey::new(kid, TokenType::Refresh, Algorithm::Hs256, &material).unwrap();
    assert!(verifies(Algorithm::Hs256, &key.verifying_key().decoding, &token));
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(encode(&sign(&key, message.as_bytes())), signature);
}
