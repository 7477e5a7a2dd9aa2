//! The issuer's list of its status lists (draft-ietf-oauth-status-list-20 §9), so that lists are in
//! hand before the first token names them.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::time::Timestamp;
use arc_swap::ArcSwapOption;
use serde::Deserialize;

use super::Lists;
use crate::document::{at, body, get, is_unchanged, json};
use crate::error::{Problem, RefreshError};
use crate::fetch::{Fetch, Request};
use crate::freshness::MOST;
use crate::origin::Origin;
use crate::refresh::{Fetched, Known, Refresher, Source};

/// Where it is, if anywhere.
#[derive(Debug)]
pub(crate) struct Aggregation {
    pub(crate) fetch: Arc<dyn Fetch>,
    /// What the metadata said last.
    pub(crate) address: Arc<ArcSwapOption<String>>,
    /// Who is told.
    pub(crate) lists: Arc<Lists>,
    /// The `ETag` of the last answer, and its address.
    pub(crate) etag: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Answer {
    status_lists: Vec<String>,
}

impl Source for Aggregation {
    /// What it says is kept with the lists.
    type Document = ();

    async fn fetch(
        &mut self,
        _known: Option<&Known<()>>,
        _now: Timestamp,
    ) -> Result<Fetched<()>, RefreshError> {
        // It is read whenever the keys are, so its own timer is the longest there is.
        let fetched = Fetched { document: Some(()), lifetime: MOST, age: Duration::ZERO };
        let Some(said) = self.address.load_full() else { return Ok(fetched) };
        let Some(address) = self.lists.find(&said) else {
            return Err(RefreshError { url: said.to_string(), problem: Problem::Foreign });
        };
        let etag = self.etag.clone().filter(|(of, _)| *of == *said).map(|(_, etag)| etag);
        let request = Request::json(address.to_string()).unless(etag);
        let mut answer = get(&*self.fetch, &request).await?;
        if is_unchanged(&request, &answer) {
            return Ok(fetched);
        }
        let etag = answer.etag.take();
        let body = body(&request, answer)?;
        let Answer { status_lists } =
            json(&body).ok_or_else(|| at(&request, Problem::NotAnAggregation))?;
        self.lists.told(&status_lists);
        self.etag = etag.map(|etag| (said.to_string(), etag));
        Ok(fetched)
    }
}

/// Keeps it fresh for ever.
pub(crate) async fn keep(aggregation: Arc<Refresher<Aggregation>>, keys: Arc<Refresher<Origin>>) {
    tokio::select! {
        biased;
        () = keys.follow(|| aggregation.ask()) => {}
        () = aggregation.run() => {}
    }
}
