//! Keeps a session's requests in the order of their tokens, as a network does when renewals are
//! minutes apart. In a storm they follow each other at once, so a busy machine could process a
//! request that its client has given up after two more renewals, and its token would count as
//! stolen.

use std::sync::{Condvar, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A session's id and the generation of its token.
type Presented = (String, u64);

/// The refreshes that the server is processing.
#[derive(Debug, Default)]
pub(super) struct Order {
    running: Mutex<Vec<Presented>>,
    changed: Condvar,
}

/// A request that the server is processing, until this is dropped.
#[derive(Debug)]
pub(super) struct Running<'a> {
    order: &'a Order,
    presented: Option<Presented>,
}

impl Order {
    /// Waits until no request with an earlier token of the same session is being processed.
    pub(super) fn enter(&self, request: &[u8]) -> Running<'_> {
        let presented = presented(request);
        if let Some((session, generation)) = &presented {
            let earlier = |it: &Presented| it.0 == *session && it.1 < *generation;
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let running = self.changed.wait_while(running, |it| it.iter().any(earlier));
            let mut running = running.unwrap_or_else(PoisonError::into_inner);
            running.push((session.clone(), *generation));
        }
        Running { order: self, presented }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = self.order.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = running.iter().position(|it| Some(it) == self.presented.as_ref());
        if let Some(mine) = mine {
            running.swap_remove(mine);
            self.order.changed.notify_all();
        }
    }
}

/// The session and the generation in the refresh token of a request, if it has one.
fn presented(request: &[u8]) -> Option<Presented> {
    let text = std::str::from_utf8(request).ok()?;
    let token = text.split(['"', '=', '&']).find(|it| it.starts_with("eyJ"))?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some((claims.get("sid")?.as_str()?.to_owned(), claims.get("gen")?.as_u64()?))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn request(session: &str, generation: u64) -> Vec<u8> {
        let claims = format!("{{\"sid\":\"{session}\",\"gen\":{generation}}}");
        let token = format!("eyJh.{}.x", URL_SAFE_NO_PAD.encode(claims));
        format!("POST / HTTP/1.1\r\n\r\n{{\"refresh_token\":\"{token}\"}}").into_bytes()
    }

    #[test]
    fn tokens_in_json_and_forms_are_read() {
        assert_eq!(presented(&request("s", 7)), Some(("s".to_owned(), 7)));
        let form = "POST / HTTP/1.1\r\n\r\nrefresh_token=eyJh.eyJzaWQiOiJzIiwiZ2VuIjo3fQ.x&a=b";
        assert_eq!(presented(form.as_bytes()), Some(("s".to_owned(), 7)));
        for other in ["", "POST / HTTP/1.1\r\n\r\n{}", "eyJ", "eyJ.e30.x", "\"eyJ.!.x\""] {
            assert_eq!(presented(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_request_waits_for_those_with_earlier_tokens_of_its_session_only() {
        let order = Order::default();
        let first = order.enter(&request("s", 1));
        drop(order.enter(&request("s", 1)));
        let _other = order.enter(&request("t", 2));
        let _none = order.enter(b"GET / HTTP/1.1");
        thread::scope(|scope| {
            let (entered, entries) = mpsc::channel();
            let order = &order;
            scope.spawn(move || {
                let _second = order.enter(&request("s", 2));
                entered.send(()).unwrap();
            });
            assert!(entries.recv_timeout(Duration::from_millis(100)).is_err());
            drop(first);
            entries.recv().unwrap();
        });
    }
}
