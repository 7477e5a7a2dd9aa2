//! Options that engines reached over a network share, and the parameters of a URL that are ours to
//! read instead of a driver's.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::OpenError;

/// Checks what every server's options have.
pub(crate) fn check(pool_size: usize, timeout: Duration) -> Result<(), OpenError> {
    if timeout < Duration::from_millis(10) {
        return Err(OpenError::Option("the timeout of a store must be 10 ms or more"));
    }
    if !(1..=1024).contains(&pool_size) {
        return Err(OpenError::Option("a store needs a pool of 1 to 1024 connections"));
    }
    Ok(())
}

/// A URL taken apart: what a driver reads, and the parameters that it doesn't know.
pub(crate) struct Parameters {
    /// The URL without ours.
    pub(crate) url: String,
    /// Ours, decoded, in order.
    pub(crate) ours: Vec<(String, String)>,
}

/// Takes the parameters named `names` out of `url`.
pub(crate) fn parameters(url: &str, names: &[&str]) -> Result<Parameters, OpenError> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if names.contains(&name) {
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| OpenError::Url(format!("has a {name} that is no text")))?;
            ours.push((name.to_owned(), value.into_owned()));
        } else {
            theirs.push(pair);
        }
    }
    let mark = if theirs.is_empty() { "" } else { "?" };
    Ok(Parameters { url: format!("{base}{mark}{}", theirs.join("&")), ours })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_taken_out_and_decoded_and_the_rest_stays() {
        let url = "x://u:p%3F@h/d?a=1&ssl=%2Fetc%2Fca.pem&b=%41";
        let taken = parameters(url, &["ssl"]).unwrap();
        assert_eq!(taken.url, "x://u:p%3F@h/d?a=1&b=%41");
        assert_eq!(taken.ours, [("ssl".to_owned(), "/etc/ca.pem".to_owned())]);
        assert_eq!(parameters("x://h/d?ssl=a", &["ssl"]).unwrap().url, "x://h/d");
        assert_eq!(parameters("x://h/d", &["ssl"]).unwrap().url, "x://h/d");
    }

    #[test]
    fn a_pool_and_a_timeout_have_bounds() {
        let second = Duration::from_secs(1);
        assert!(check(1, second).is_ok() && check(1024, second).is_ok());
        assert!(check(0, second).is_err() && check(1025, second).is_err());
        assert!(check(1, Duration::from_millis(9)).is_err());
    }
}
