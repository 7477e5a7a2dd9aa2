//! Housekeeping in small batches, so that other operations run in between.

use std::future::Future;

use aquaware_core::store::StoreError;

/// Runs `apply` with up to `batch` rows at a time until `at_most` rows are done or a batch finds
/// fewer rows than it may change. Returns the number of rows.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) async fn in_batches<F>(
    at_most: u32,
    batch: u32,
    apply: impl Fn(u32) -> F,
) -> Result<u64, StoreError>
where
    F: Future<Output = Result<usize, StoreError>>,
{
    let mut left = at_most;
    while left > 0 {
        let wanted = left.min(batch);
        let done = u32::try_from(apply(wanted).await?).unwrap_or(u32::MAX);
        left = left.saturating_sub(done);
        if done < wanted {
            break;
        }
    }
    Ok(u64::from(at_most - left))
}

/// What one scan of a table found: the position to continue from, and the rows to work on. `None` at
/// the end of the table.
pub(crate) type Scan<P, K> = Option<(P, Vec<K>)>;

/// Scans a table from `start` and applies `apply` to the rows found, up to `batch` at a time, until
/// `at_most` rows are done or the table ends. Returns the number of rows.
///
/// The expiry of a session has no index, because every refresh would have to move its entry. Instead
/// the table is scanned in pieces that are short enough for one operation's deadline.
pub(crate) async fn sweep<P, K, S, A>(
    start: P,
    at_most: u32,
    batch: usize,
    scan: impl Fn(P) -> S,
    apply: impl Fn(Vec<K>) -> A,
) -> Result<u64, StoreError>
where
    S: Future<Output = Result<Scan<P, K>, StoreError>>,
    A: Future<Output = Result<usize, StoreError>>,
{
    let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
    let (mut position, mut done) = (start, 0_usize);
    while done < at_most {
        let Some((next, rows)) = scan(position).await? else { break };
        position = next;
        let mut rows = rows.into_iter();
        loop {
            // `apply` counts only the rows that it changed itself: another sweep may have been
            // faster with some, which leaves room for more.
            let room = at_most.saturating_sub(done).min(batch);
            let keys: Vec<K> = rows.by_ref().take(room).collect();
            if keys.is_empty() {
                break;
            }
            done += apply(keys).await?;
        }
    }
    Ok(u64::try_from(done).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[test]
    fn batches_end_when_the_rows_or_the_limit_are_used_up() {
        for (present, at_most, batches) in [
            (10, 25, vec![4, 4, 4]),
            (8, 25, vec![4, 4, 4]),
            (100, 9, vec![4, 4, 1]),
            (100, 0, vec![]),
            (0, 9, vec![4]),
        ] {
            let (rows, wanted) = (RefCell::new(present), RefCell::new(Vec::new()));
            let done = run(in_batches(at_most, 4, |batch| {
                wanted.borrow_mut().push(batch);
                let taken = batch.min(*rows.borrow());
                *rows.borrow_mut() -= taken;
                async move { Ok(usize::try_from(taken).unwrap()) }
            }));
            assert_eq!(done.unwrap(), u64::from(present.min(at_most)));
            assert_eq!(wanted.into_inner(), batches);
        }
    }

    #[test]
    fn a_sweep_counts_only_the_rows_it_changed_itself() {
        // Three scans of four rows each; of every batch another sweep was faster with one row.
        for (at_most, expected, batches) in
            [(100, 6, vec![2, 2, 2, 2, 2, 2]), (4, 4, vec![2, 2, 2, 1]), (0, 0, vec![])]
        {
            let sizes = RefCell::new(Vec::new());
            let done = run(sweep(
                0_usize,
                at_most,
                2,
                |position| async move { Ok((position < 3).then(|| (position + 1, vec![(); 4]))) },
                |keys: Vec<()>| {
                    sizes.borrow_mut().push(keys.len());
                    let lost = usize::from(keys.len() == 2);
                    async move { Ok(keys.len() - lost) }
                },
            ));
            assert_eq!((done.unwrap(), sizes.into_inner()), (expected, batches));
        }
    }
}
