//! Housekeeping a few rows at a time, so that other steps get in between.

use std::future::Future;

use aquaware_core::store::StoreError;

/// Has up to `at_most` rows done, `most` in one go, until a go finds fewer than it may do; says how
/// many it was.
pub(crate) async fn in_bites<F>(
    at_most: u32,
    most: u32,
    bite: impl Fn(u32) -> F,
) -> Result<u64, StoreError>
where
    F: Future<Output = Result<usize, StoreError>>,
{
    let mut left = at_most;
    while left > 0 {
        let wanted = left.min(most);
        let done = u32::try_from(bite(wanted).await?).unwrap_or(u32::MAX);
        left = left.saturating_sub(done);
        if done < wanted {
            break;
        }
    }
    Ok(u64::from(at_most - left))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn bites_end_with_the_rows_or_with_what_was_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (there, at_most, bites) in [
            (10, 25, vec![4, 4, 4]),
            (8, 25, vec![4, 4, 4]),
            (100, 9, vec![4, 4, 1]),
            (100, 0, vec![]),
            (0, 9, vec![4]),
        ] {
            let (rows, asked) = (RefCell::new(there), RefCell::new(Vec::new()));
            let done = runtime.block_on(in_bites(at_most, 4, |wanted| {
                asked.borrow_mut().push(wanted);
                let taken = wanted.min(*rows.borrow());
                *rows.borrow_mut() -= taken;
                async move { Ok(usize::try_from(taken).unwrap()) }
            }));
            assert_eq!(done.unwrap(), u64::from(there.min(at_most)));
            assert_eq!(asked.into_inner(), bites);
        }
    }
}
