//! The form: three parts of canonical base64url around JSON objects (RFC 7515 §3.1, §7.1).

use super::*;

fn rejection(token: &str) -> TokenError {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let access = issuer.check_access(token).expect_err(token);
    // Refresh tokens must have the same form.
    assert_eq!(issuer.check_refresh(token).expect_err(token), access, "{token}");
    access
}

#[test]
fn a_truncated_token_is_rejected() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let (access, refresh) = (issuer.access(), issuer.refresh());
        for length in 0..access.len() {
            assert!(issuer.check_access(&access[..length]).is_err(), "{algorithm:?}, {length}");
        }
        for length in 0..refresh.len() {
            assert!(issuer.check_refresh(&refresh[..length]).is_err(), "{algorithm:?}, {length}");
        }
    }
}

#[test]
fn anything_but_three_parts_is_rejected() {
    let token = TestIssuer::of(Algorithm::EdDsa).access();
    let [header, claims, signature] = parts_of(&token);
    for invalid in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}..{claims}.{signature}"),
        format!("{header}.{claims}.{signature}.{header}.{claims}"),
        format!(".{claims}.{signature}"),
    ] {
        assert_eq!(rejection(&invalid), TokenError::Malformed, "{invalid}");
    }
    // An empty part is valid base64url, but it is not what was signed.
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    assert_eq!(
        issuer.check_access(&format!("{header}..{signature}")),
        Err(TokenError::InvalidSignature)
    );
}

#[test]
fn only_canonical_base64url_is_accepted() {
    let token = TestIssuer::of(Algorithm::EdDsa).access();
    for position in 0..3 {
        let part = parts_of(&token)[position];
        for invalid in [
            format!("{part}="),
            format!("{part}=="),
            format!("{part}\n"),
            format!(" {part}"),
            format!("{}+", &part[..part.len() - 1]),
            format!("{}/", &part[..part.len() - 1]),
            format!("{}\0", &part[..part.len() - 1]),
            format!("{}é", &part[..part.len() - 2]),
            format!("{} {}", &part[..4], &part[4..]),
        ] {
            let mut parts = parts_of(&token);
            parts[position] = &invalid;
            assert_eq!(rejection(&parts.join(".")), TokenError::Malformed, "{invalid:?}");
        }
    }
}

#[test]
fn stray_trailing_bits_are_rejected() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let token = issuer.access();
        let [_, _, signature] = parts_of(&token);
        if signature.len().is_multiple_of(4) {
            continue;
        }
        // The last character has unused bits. With one of them set, a lenient decoder would return
        // the same signature.
        let last = ALPHABET.iter().position(|b| Some(b) == token.as_bytes().last()).unwrap();
        let other = char::from(ALPHABET[last + 1]);
        let respelt = format!("{}{other}", &token[..token.len() - 1]);
        assert_eq!(issuer.check_access(&respelt), Err(TokenError::Malformed), "{algorithm:?}");
    }
}

#[test]
fn long_tokens_are_rejected_before_parsing() {
    let megabyte = 1 << 20;
    for long in [
        "a".repeat(MAX_TOKEN_BYTES + 1),
        ".".repeat(megabyte),
        "A".repeat(megabyte),
        format!("{}.", "A".repeat(megabyte / 2)).repeat(2),
        "é".repeat(megabyte / 2),
    ] {
        assert_eq!(rejection(&long), TokenError::TooLong);
    }
}

#[test]
fn the_maximum_length_is_accepted_and_one_byte_more_is_rejected() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let of_length = |wanted: usize| {
        // Base64 cannot produce every length, so blanks in the header fill the gaps.
        (0..4).find_map(|blanks| {
            let header = json_bytes(&issuer.header(TokenType::Access));
            let header = [header, b" ".repeat(blanks)].concat();
            (5600..6200).find_map(|length| {
                let mut claims = access_claims();
                claims.extra.insert("pad".to_owned(), "x".repeat(length).into());
                let claims = serde_json::to_vec(&claims).unwrap();
                let length = |bytes: usize| (bytes * 4).div_ceil(3);
                (length(header.len()) + length(claims.len()) + 88 == wanted)
                    .then(|| issuer.forge(TokenType::Access, &header, &claims))
            })
        })
    };
    let longest = of_length(MAX_TOKEN_BYTES).unwrap();
    assert_eq!(longest.len(), MAX_TOKEN_BYTES);
    assert!(issuer.check_access(&longest).is_ok());
    let longer = of_length(MAX_TOKEN_BYTES + 1).unwrap();
    assert_eq!(issuer.check_access(&longer), Err(TokenError::TooLong));
}

#[test]
fn a_header_other_than_a_json_object_is_rejected() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let valid = json_bytes(&issuer.header(TokenType::Access));
    let claims = serde_json::to_vec(&access_claims()).unwrap();
    for invalid in not_an_object(&valid) {
        let token = issuer.forge(TokenType::Access, &invalid, &claims);
        assert_eq!(
            issuer.check_access(&token),
            Err(TokenError::Malformed),
            "{}",
            String::from_utf8_lossy(&invalid).chars().take(100).collect::<String>()
        );
    }
}

#[test]
fn claims_other_than_a_json_object_are_rejected() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let header = json_bytes(&issuer.header(TokenType::Access));
    for invalid in not_an_object(&serde_json::to_vec(&access_claims()).unwrap()) {
        let token = issuer.forge(TokenType::Access, &header, &invalid);
        assert_eq!(
            issuer.check_access(&token),
            Err(TokenError::MalformedClaims),
            "{}",
            String::from_utf8_lossy(&invalid).chars().take(100).collect::<String>()
        );
    }
}

/// Variants of `valid` that are not JSON objects with unique names.
fn not_an_object(valid: &[u8]) -> Vec<Vec<u8>> {
    let inside = &valid[1..valid.len() - 1];
    let with = |before: &[u8], after: &[u8]| [b"{", before, inside, after, b"}"].concat();
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    vec![
        vec![],
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        [b"[", valid, b"]"].concat(),
        [valid, valid].concat(),
        [valid, b"\0"].concat(),
        [b"\xef\xbb\xbf", valid].concat(),
        valid[..valid.len() - 1].to_vec(),
        with(b"", b","),
        with(b"\"x\":\"\xff\",", b""),
        with(b"\"x\":\"\xed\xa0\x80\",", b""),
        with(b"\"x\":\"\0\",", b""),
        with(b"\"x\":\"\\ud800\",", b""),
        with(b"\"x\":NaN,", b""),
        with(b"\"x\":01,", b""),
        with(b"'x':1,", b""),
        with(b"", format!(",\"x\":{deep}").as_bytes()),
        with(b"", b"//"),
        valid.iter().flat_map(|byte| [*byte, 0]).collect(),
    ]
}

pub(super) fn parts_of(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}
