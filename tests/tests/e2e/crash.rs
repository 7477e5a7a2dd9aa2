//! `kill -9` during many refreshes: no client is logged out, and no acknowledged refresh is lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aquaware_tests::{Client, Setup, Tokens, pause, retry_key, wait_for};

const CLIENTS: usize = 8;
const ROUNDS: u64 = 4;
/// The number of acknowledged refreshes per round before the kill.
const STORM: u64 = 60;

/// A client that refreshes continuously, and retries with the same key while the server is down.
struct Stormer {
    client: Client,
    /// The token of the last response that it received.
    current: Tokens,
    /// The token before that.
    previous: Option<Tokens>,
    /// The key of the attempt that has no response yet.
    pending: Option<String>,
    acknowledged: u64,
}

impl Stormer {
    fn new(client: Client) -> Self {
        let (_, current) = client.new_session();
        Self { client, current, previous: None, pending: None, acknowledged: 0 }
    }

    /// Makes one attempt, and returns whether it got a response.
    fn attempt(&mut self) -> bool {
        let key = self.pending.get_or_insert_with(retry_key).clone();
        let Ok(response) = self.client.refresh_call(self.current.refresh(), Some(&key)).try_send()
        else {
            return false;
        };
        if response.status == 503 {
            response.is_problem(503, "store_unavailable");
            return false;
        }
        let next = Tokens::of(&response);
        assert_eq!(next.generation(), self.current.generation() + 1);
        self.previous = Some(std::mem::replace(&mut self.current, next));
        self.pending = None;
        self.acknowledged += 1;
        true
    }

    fn storm(&mut self, until: &AtomicBool, count: &AtomicU64) {
        while !until.load(Ordering::SeqCst) {
            if self.attempt() {
                count.fetch_add(1, Ordering::SeqCst);
            } else {
                pause(Duration::from_millis(5));
            }
        }
    }

    /// Retries the open attempt until it gets a response.
    fn settle(&mut self) {
        if self.pending.is_some() {
            wait_for("an response", Duration::from_secs(30), || self.attempt().then_some(()));
        }
    }
}

#[test]
fn no_client_is_logged_out_and_no_acknowledged_refresh_is_lost() {
    let mut server = Setup::new().set("clients.web.retry_window", "0s").start();
    let mut stormers: Vec<Stormer> = (0..CLIENTS).map(|_| Stormer::new(server.client())).collect();
    for round in 0..ROUNDS {
        let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
        server = std::thread::scope(|scope| {
            for stormer in &mut stormers {
                let (over, count) = (&over, &count);
                scope.spawn(move || stormer.storm(over, count));
            }
            let reached = |goal: u64| {
                let count = &count;
                move || (count.load(Ordering::SeqCst) >= goal).then_some(())
            };
            let patience = Duration::from_secs(60);
            wait_for("a storm", patience, reached(STORM));
            let stopped = server.kill9();
            let heard = count.load(Ordering::SeqCst);
            let server = stopped.start();
            if round + 1 < ROUNDS {
                // The client continues with the attempt that it started.
                wait_for("the storm to go on", patience, reached(heard + STORM / 2));
            }
            over.store(true, Ordering::SeqCst);
            server
        });
    }

    let (robbed, honest) = stormers.split_at_mut(CLIENTS / 2);
    for stormer in robbed {
        // Whether acknowledged before or after the kill: the previous token is superseded.
        let superseded = stormer.previous.as_ref().expect("there were refreshes").refresh();
        let response = stormer.client.refresh(superseded, Some(&retry_key()));
        response.is_problem(401, "refresh_token_reused");
        let owner = stormer.client.refresh(stormer.current.refresh(), None);
        owner.is_problem(401, "session_revoked");
    }
    for stormer in honest {
        stormer.settle();
        assert_eq!(stormer.current.generation(), stormer.acknowledged + 1);
        stormer.client.me(&stormer.current.access).is(200);
        wait_for("the live token to work", Duration::from_secs(30), || {
            stormer.attempt().then_some(())
        });
        let superseded = stormer.previous.as_ref().expect("there were refreshes").refresh();
        let response = stormer.client.refresh(superseded, Some(&retry_key()));
        response.is_problem(401, "refresh_token_reused");
    }
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (person, kept) = client.new_session();
    let ended = client.log_in(&person);
    let refreshed = client.log_in(&person);
    let key = retry_key();
    let successor = client.refreshed(refreshed.refresh(), Some(&key));
    client.log_out(ended.refresh()).is(204);
    let newcomer = client.new_person();

    let server = server.kill9().start();
    let client = server.client();
    let _ = client.log_in(&newcomer);
    client.me(&kept.access).is(200);
    client.me(&ended.access).is_invalid_token();
    client.refresh(ended.refresh(), None).is_problem(401, "session_revoked");
    assert_eq!(client.refreshed(refreshed.refresh(), Some(&key)).refresh, successor.refresh);
    let stolen = client.refresh(refreshed.refresh(), Some(&retry_key()));
    stolen.is_problem(401, "refresh_token_reused");
}
