//! The journey against a model of the server: a good one passes, and each broken rule is noticed
//! in the step that is about it.

mod model;

use std::io::{self, BufWriter, ErrorKind, Write};

use serde_json::Value;

use self::model::{Fault, Model};
use super::tell::{Lines, Tally, Text};
use super::told_journey;

fn walked(fault: Option<Fault>) -> (Tally, String) {
    let mut out = Vec::new();
    let tally = told_journey(&Model::new(fault), &mut Text::new(&mut out, false)).unwrap();
    (tally, String::from_utf8(out).unwrap())
}

#[test]
fn a_server_that_keeps_all_rules_passes() {
    let (tally, text) = walked(None);
    assert_eq!((tally.unmet(), tally.steps()), (0, 15), "{text}");
    assert!(text.contains(" steps, ") && !text.contains('✗'), "{text}");
}

#[test]
fn each_broken_rule_is_noticed_in_the_step_that_is_about_it() {
    let keys = "Check a token without asking the server";
    let retry = "Lose an answer and try again";
    let tabs = "Refresh in five tabs at once";
    let theft = "Steal a refresh token and be found out";
    let alarm = "See what the alarm ended";
    let everywhere = "Log out everywhere";
    let faults = [
        (Fault::PasswordRepeated, "Sign up", "the answer doesn't repeat the password"),
        (Fault::TokensCached, "Log in", "no cache may keep the tokens"),
        (Fault::StrangeKeys, keys, "the access token passes a check made here, offline"),
        (Fault::SecretPublished, keys, "they can check signatures, not make them"),
        (Fault::SecretPublished, keys, "the key of the refresh token isn't published"),
        (
            Fault::ExpiryIgnored,
            "Let the access token expire",
            "401 Unauthorized: the token is dead",
        ),
        (Fault::RefreshStandsStill, "Refresh", "one step: generation 1 is followed by 2"),
        (Fault::RetryRefused, retry, "200 OK: the retry is answered"),
        (Fault::RetryForks, retry, "with the very refresh token that was lost"),
        (Fault::RetryForks, retry, "one step: generation 2 is followed by 3"),
        (Fault::TabsFork, tabs, "all five get the same refresh token"),
        (Fault::TabRefused, tabs, "all five get 200 OK"),
        (Fault::TheftUnnoticed, theft, "401 Unauthorized: the thief gets nothing"),
        (Fault::TheftUnnoticed, theft, "no token at all"),
        (Fault::TheftSparesOwner, alarm, "401 Unauthorized: the laptop's own token is dead too"),
        (Fault::TheftEndsAll, alarm, "200 OK: the phone's session lives"),
        (Fault::DeviceRotates, "A device that can't store a new token", "and no new refresh token"),
        (Fault::CurrentUnmarked, "List the sessions", "the one that asks is marked"),
        (Fault::LogoutLeavesAccess, "Log out", "401 Unauthorized: the access token is refused"),
        (Fault::LogoutAllLeavesOne, everywhere, "two there were"),
        (Fault::LogoutAllLeavesOne, everywhere, "401 Unauthorized: the controller is out"),
        (Fault::Silence, retry, "the journey goes on"),
    ];
    for (fault, step, check) in faults {
        let (tally, text) = walked(Some(fault));
        assert_eq!(tally.wrong().first(), Some(&step), "{fault:?}: {text}");
        assert!(tally.unmet() > 0, "{fault:?}: {text}");
        assert!(text.contains(&format!("✗ {check}")), "{fault:?}, {check}: {text}");
    }
}

#[test]
fn every_refusal_must_come_with_a_challenge() {
    let (tally, text) = walked(Some(Fault::NoChallenge));
    assert_eq!(text.matches("✗ WWW-Authenticate says what is wanted").count(), 5, "{text}");
    assert_eq!(tally.wrong().len(), 5);
}

#[test]
fn an_expectation_that_is_not_met_does_not_end_the_journey() {
    let (tally, text) = walked(Some(Fault::TokensCached));
    assert_eq!((tally.steps(), tally.unmet()), (15, 1), "{text}");
    assert!(text.contains("expected  no-store\n    got       public"), "{text}");
}

#[test]
fn where_the_journey_cannot_go_on_it_says_why() {
    let (tally, text) = walked(Some(Fault::RetryRefused));
    assert_eq!((tally.steps(), tally.unmet()), (7, 2), "{text}");
    assert!(text.contains("got       401 Unauthorized, without refresh_token"), "{text}");
    let (tally, text) = walked(Some(Fault::Silence));
    assert_eq!(tally.unmet(), 1);
    assert!(text.contains("got       no answer from the server: silence"), "{text}");
}

#[test]
fn nothing_told_holds_a_token_or_a_password() {
    let (_, text) = walked(None);
    let mut out = Vec::new();
    told_journey(&Model::new(None), &mut Lines::new(&mut out)).unwrap();
    let lines = String::from_utf8(out).unwrap();
    for told in [&text, &lines] {
        assert!(told.contains("••••") && !told.contains("nine snails"), "{told}");
        let longest = told.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        assert!(longest.filter(|word| word.starts_with("eyJ")).all(|word| word.len() == 8));
    }
}

#[test]
fn text_fits_the_page_and_lines_are_one_object_a_step() {
    let (_, text) = walked(None);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let mut out = Vec::new();
    told_journey(&Model::new(None), &mut Lines::new(&mut out)).unwrap();
    let lines: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lines.len(), 15);
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(line["step"], place + 1);
        assert_eq!(line["ok"], true, "{line}");
        assert!(line["request"]["path"].is_string() && line["answer"]["status"].is_u64(), "{line}");
    }
}

#[test]
fn a_reader_who_goes_away_ends_the_journey() {
    /// Fails once; what is written afterwards mustn't make up for it.
    struct Gone(bool);
    impl Write for Gone {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = std::mem::replace(&mut self.0, true) || bytes.is_empty();
            if gone { Ok(bytes.len()) } else { Err(ErrorKind::BrokenPipe.into()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut gone = BufWriter::with_capacity(4096, Gone(false));
    let error = told_journey(&Model::new(None), &mut Text::new(&mut gone, false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}
