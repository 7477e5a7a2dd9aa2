//! A hit of the token cache against a raw Ed25519 verification, in the same run:
//! `cargo bench -p aquaware-verifier --bench token_cache`.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints, or stops")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aquaware_verifier::testing::TestIssuer;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const ROUNDS: usize = 51;
const CALLS: u32 = 2000;

/// The median time of one call.
fn median(mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            start.elapsed() / CALLS
        })
        .collect();
    times.sort();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn main() {
    let issuer = TestIssuer::new();
    let token = issuer.token().scope("tanks:read tanks:write").claim("plan", "reef").status(7);
    let token = token.sign();
    let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("canonical base64url");
    let key = issuer.public_key();
    let key = key.get("x").and_then(|x| x.as_str()).expect("an Ed25519 key");
    let key = UnparsedPublicKey::new(&ED25519, URL_SAFE_NO_PAD.decode(key).expect("base64url"));
    let without = issuer.builder().cache_tokens(0).key_set(&issuer.key_set());
    let (cached, without) = (issuer.verifier(), without.expect("a valid key set"));
    let raw = median(|| {
        black_box(key.verify(message.as_bytes(), &signature)).expect("a valid signature");
    });
    let miss = median(|| {
        black_box(without.verify_shared(&token)).expect("a valid token");
    });
    let hit = median(|| {
        black_box(cached.verify_shared(&token)).expect("a valid token");
    });
    let copied = median(|| {
        black_box(cached.verify(&token)).expect("a valid token");
    });
    let percent = |time: Duration| 100.0 * time.as_secs_f64() / raw.as_secs_f64();
    println!("token of {} bytes", token.len());
    for (name, time) in [
        ("raw Ed25519 verification", raw),
        ("verify without the cache", miss),
        ("hit, claims shared", hit),
        ("hit, claims copied", copied),
    ] {
        println!("{name:26} {:9.3} µs {:6.1} %", time.as_secs_f64() * 1e6, percent(time));
    }
}
