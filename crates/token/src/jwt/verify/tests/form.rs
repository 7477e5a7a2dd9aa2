//! The form: three parts of canonical base64url around JSON objects (RFC 7515 §3.1, §7.1).

use super::*;

fn refused(token: &str) -> TokenError {
    let mint = Mint::of(Algorithm::EdDsa);
    let access = mint.check_access(token).expect_err(token);
    // The same form is asked of a refresh token.
    assert_eq!(mint.check_refresh(token).expect_err(token), access, "{token}");
    access
}

#[test]
fn a_token_cut_off_anywhere_is_refused() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let (access, refresh) = (mint.access(), mint.refresh());
        for length in 0..access.len() {
            assert!(mint.check_access(&access[..length]).is_err(), "{algorithm:?}, {length}");
        }
        for length in 0..refresh.len() {
            assert!(mint.check_refresh(&refresh[..length]).is_err(), "{algorithm:?}, {length}");
        }
    }
}

#[test]
fn anything_but_three_parts_is_refused() {
    let token = Mint::of(Algorithm::EdDsa).access();
    let [header, claims, signature] = parts_of(&token);
    for bad in [
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
        assert_eq!(refused(&bad), TokenError::Malformed, "{bad}");
    }
    // Nothing in the middle is well-formed base64url of nothing, but not what was signed.
    let mint = Mint::of(Algorithm::EdDsa);
    assert_eq!(
        mint.check_access(&format!("{header}..{signature}")),
        Err(TokenError::InvalidSignature)
    );
}

#[test]
fn only_canonical_base64url_is_read() {
    let token = Mint::of(Algorithm::EdDsa).access();
    for place in 0..3 {
        let part = parts_of(&token)[place];
        for bad in [
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
            parts[place] = &bad;
            assert_eq!(refused(&parts.join(".")), TokenError::Malformed, "{bad:?}");
        }
    }
}

#[test]
fn stray_trailing_bits_are_refused() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let token = mint.access();
        let [_, _, signature] = parts_of(&token);
        if signature.len().is_multiple_of(4) {
            continue;
        }
        // The last character has bits that mean nothing: with one of them set it decodes to the
        // same signature in a careless reader.
        let last = ALPHABET.iter().position(|b| Some(b) == token.as_bytes().last()).unwrap();
        let other = char::from(ALPHABET[last + 1]);
        let respelt = format!("{}{other}", &token[..token.len() - 1]);
        assert_eq!(mint.check_access(&respelt), Err(TokenError::Malformed), "{algorithm:?}");
    }
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let megabyte = 1 << 20;
    for long in [
        "a".repeat(MAX_TOKEN_BYTES + 1),
        ".".repeat(megabyte),
        "A".repeat(megabyte),
        format!("{}.", "A".repeat(megabyte / 2)).repeat(2),
        "é".repeat(megabyte / 2),
    ] {
        assert_eq!(refused(&long), TokenError::TooLong);
    }
}

#[test]
fn the_longest_token_is_still_good_and_one_byte_more_is_not() {
    let mint = Mint::of(Algorithm::EdDsa);
    let of_length = |wanted: usize| {
        // Blanks in the header make up for what base64 can't do in steps of one.
        (0..4).find_map(|blanks| {
            let header = json_bytes(&mint.header(TokenType::Access));
            let header = [header, b" ".repeat(blanks)].concat();
            (5600..6200).find_map(|length| {
                let mut claims = access_claims();
                claims.extra.insert("pad".to_owned(), "x".repeat(length).into());
                let claims = serde_json::to_vec(&claims).unwrap();
                let length = |bytes: usize| (bytes * 4).div_ceil(3);
                (length(header.len()) + length(claims.len()) + 88 == wanted)
                    .then(|| mint.forge(TokenType::Access, &header, &claims))
            })
        })
    };
    let longest = of_length(MAX_TOKEN_BYTES).unwrap();
    assert_eq!(longest.len(), MAX_TOKEN_BYTES);
    assert!(mint.check_access(&longest).is_ok());
    let longer = of_length(MAX_TOKEN_BYTES + 1).unwrap();
    assert_eq!(mint.check_access(&longer), Err(TokenError::TooLong));
}

#[test]
fn a_header_that_is_no_json_object_is_refused() {
    let mint = Mint::of(Algorithm::EdDsa);
    let good = json_bytes(&mint.header(TokenType::Access));
    let claims = serde_json::to_vec(&access_claims()).unwrap();
    for bad in not_one_object(&good) {
        let token = mint.forge(TokenType::Access, &bad, &claims);
        assert_eq!(
            mint.check_access(&token),
            Err(TokenError::Malformed),
            "{}",
            String::from_utf8_lossy(&bad).chars().take(100).collect::<String>()
        );
    }
}

#[test]
fn claims_that_are_no_json_object_are_refused() {
    let mint = Mint::of(Algorithm::EdDsa);
    let header = json_bytes(&mint.header(TokenType::Access));
    for bad in not_one_object(&serde_json::to_vec(&access_claims()).unwrap()) {
        let token = mint.forge(TokenType::Access, &header, &bad);
        assert_eq!(
            mint.check_access(&token),
            Err(TokenError::MalformedClaims),
            "{}",
            String::from_utf8_lossy(&bad).chars().take(100).collect::<String>()
        );
    }
}

/// What can be done to the JSON of an object so that it is none any more.
fn not_one_object(good: &[u8]) -> Vec<Vec<u8>> {
    let inside = &good[1..good.len() - 1];
    let with = |before: &[u8], after: &[u8]| [b"{", before, inside, after, b"}"].concat();
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    vec![
        vec![],
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        [b"[", good, b"]"].concat(),
        [good, good].concat(),
        [good, b"\0"].concat(),
        [b"\xef\xbb\xbf", good].concat(),
        good[..good.len() - 1].to_vec(),
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
        good.iter().flat_map(|byte| [*byte, 0]).collect(),
    ]
}

pub(super) fn parts_of(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}
