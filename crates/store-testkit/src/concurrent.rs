//! Running many tasks that start at the same moment.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::error::CheckError;

/// Runs `act` once per handle, all at once, and returns the results in the order of the handles.
/// `act` is given the position of its handle.
pub(crate) async fn run_concurrently<P, T, F, A>(
    handles: Vec<Arc<P>>,
    act: A,
) -> Result<Vec<T>, CheckError>
where
    P: ?Sized + Send + Sync + 'static,
    T: Send + 'static,
    F: Future<Output = Result<T, CheckError>> + Send + 'static,
    A: Fn(usize, Arc<P>) -> F,
{
    let start = Arc::new(Barrier::new(handles.len()));
    let mut tasks = JoinSet::new();
    for (position, handle) in handles.into_iter().enumerate() {
        let (start, task) = (Arc::clone(&start), act(position, handle));
        tasks.spawn(async move {
            start.wait().await;
            task.await.map(|result| (position, result))
        });
    }
    let mut results = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        results.push(joined.map_err(|error| CheckError::new(format!("a task failed: {error}")))??);
    }
    results.sort_by_key(|(position, _)| *position);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
