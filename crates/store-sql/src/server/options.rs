//! The options that all servers share, and the parameters of a URL that this crate reads instead of
//! a driver.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::OpenError;

/// Checks the options that every server has.
pub(crate) fn check_options(pool_size: usize, timeout: Duration) -> Result<(), OpenError> {
    if timeout < Duration::from_millis(10) {
        return Err(OpenError::InvalidOption("the timeout of a store must be 10 ms or more"));
    }
    if !(1..=1024).contains(&pool_size) {
        return Err(OpenError::InvalidOption(
            "the pool of a store must have 1 to 1024 connections",
        ));
    }
    Ok(())
}

/// A URL for a driver, and the parameters that were removed from it.
pub(crate) struct Parameters {
    /// The URL without the removed parameters.
    pub(crate) url: String,
    /// The removed parameters, decoded, in order.
    pub(crate) removed: Vec<(String, String)>,
}

/// Removes the parameters `names` from `url`.
pub(crate) fn extract_parameters(url: &str, names: &[&str]) -> Result<Parameters, OpenError> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if names.contains(&name) {
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| OpenError::InvalidUrl(format!("has a {name} that is not UTF-8")))?;
            removed.push((name.to_owned(), value.into_owned()));
        } else {
            kept.push(pair);
        }
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    Ok(Parameters { url: format!("{base}{mark}{}", kept.join("&")), removed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_parameters_are_removed_and_decoded_and_the_others_are_kept() {
        let url = "x://u:p%3F@h/d?a=1&ssl=%2Fetc%2Fca.pem&b=%41";
        let extracted = extract_parameters(url, &["ssl"]).unwrap();
        assert_eq!(extracted.url, "x://u:p%3F@h/d?a=1&b=%41");
        assert_eq!(extracted.removed, [("ssl".to_owned(), "/etc/ca.pem".to_owned())]);
        assert_eq!(extract_parameters("x://h/d?ssl=a", &["ssl"]).unwrap().url, "x://h/d");
        assert_eq!(extract_parameters("x://h/d", &["ssl"]).unwrap().url, "x://h/d");
    }

    #[test]
    fn pool_size_and_timeout_are_bounded() {
        let second = Duration::from_secs(1);
        assert!(check_options(1, second).is_ok() && check_options(1024, second).is_ok());
        assert!(check_options(0, second).is_err() && check_options(1025, second).is_err());
        assert!(check_options(1, Duration::from_millis(9)).is_err());
    }
}
