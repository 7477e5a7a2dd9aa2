//! Many tasks that begin at the same moment.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::failure::Failure;

/// Lets `act` run once per handle, all at once, and gathers what came of it in the handles' order.
/// `act` is given the handle's place.
pub(crate) async fn together<P, T, F, A>(handles: Vec<Arc<P>>, act: A) -> Result<Vec<T>, Failure>
where
    P: ?Sized + Send + Sync + 'static,
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
    A: Fn(usize, Arc<P>) -> F,
{
    let start = Arc::new(Barrier::new(handles.len()));
    let mut tasks = JoinSet::new();
    for (place, handle) in handles.into_iter().enumerate() {
        let (start, racer) = (Arc::clone(&start), act(place, handle));
        tasks.spawn(async move {
            start.wait().await;
            racer.await.map(|result| (place, result))
        });
    }
    let mut results = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        results.push(joined.map_err(|error| Failure::new(format!("a racer died: {error}")))??);
    }
    results.sort_by_key(|(place, _)| *place);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
