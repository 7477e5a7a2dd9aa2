//! Allocation of status indices: an index is drawn at random among those that seem free, and drawn
//! again if the store reports it as taken.
//!
//! Replicas allocate without coordination. A shared counter would be a second hot key in the store,
//! and leased ranges would be lost in a crash; instead the store rejects an index that is in use, and
//! each replica remembers which indices it has seen. So nearly every draw succeeds and lists fill up,
//! which keeps the number of lists, and what verifiers download, small. The memory is only a hint: a
//! replica that has just started learns from rejected draws.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{LIST_ENTRIES, ListId, StatusIndex};
use crate::random::Random;

/// The number of lists is doubled after this many rejected draws in a row. For a replica that remembers
/// nothing, this happens when more than nine of ten entries are taken (0.9¹²⁸ ≈ 10⁻⁶ below that).
const MAX_REJECTED: u32 = 128;

/// The number of 64-bit words in the bitmap of a list.
const WORDS: usize = LIST_ENTRIES.div_ceil(u64::BITS) as usize;

/// The lists in use and the indices that seem taken.
#[derive(Debug)]
pub(crate) struct Space(Mutex<Fill>);

#[derive(Debug)]
struct Fill {
    /// Indices are drawn from the lists `0..lists`.
    lists: u32,
    /// The number of rejected draws since the last successful one.
    rejected: u32,
    /// A bitmap per list of the entries that seem taken; empty, without memory, if none does.
    taken: Vec<Vec<u64>>,
}

impl Default for Space {
    fn default() -> Self {
        Self(Mutex::new(Fill { lists: 1, rejected: 0, taken: vec![Vec::new()] }))
    }
}

impl Space {
    /// An index that seems free.
    pub(crate) fn draw(&self, random: &dyn Random) -> StatusIndex {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let mut fill = self.fill();
        // 64 bits for a range of at most 32, so the bias of the remainder is negligible.
        let start = u64::from_be_bytes(bytes) % (u64::from(fill.lists) * u64::from(LIST_ENTRIES));
        let start = StatusIndex::from_number(u32::try_from(start).unwrap_or(u32::MAX));
        fill.seems_free_from(start).unwrap_or_else(|| {
            // Every index seems taken. Indices are released without notice, so the memory is probably
            // out of date: forget it. If the lists really are full, rejected draws add more.
            fill.taken.iter_mut().for_each(Vec::clear);
            start
        })
    }

    /// Records the result of a draw: the index is taken, by another session if it was `rejected`.
    pub(crate) fn note(&self, index: StatusIndex, rejected: bool) {
        let mut fill = self.fill();
        fill.mark(index);
        fill.rejected = if rejected { fill.rejected + 1 } else { 0 };
        if fill.rejected == MAX_REJECTED {
            fill.rejected = 0;
            let twice = fill.lists * 2;
            fill.grow(twice);
        }
    }

    /// Records the index of a session, which another replica may have drawn from a new list.
    pub(crate) fn saw(&self, index: StatusIndex) {
        self.fill().mark(index);
    }

    /// The lists in use and the next one, so that verifiers know a list before a token refers to it.
    pub(crate) fn lists(&self) -> impl Iterator<Item = ListId> + use<> {
        (0..=self.fill().lists).filter_map(ListId::new)
    }

    fn fill(&self) -> MutexGuard<'_, Fill> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fill {
    fn grow(&mut self, lists: u32) {
        self.lists = self.lists.max(lists).min(ListId::COUNT);
        self.taken.resize_with(position(self.lists), Vec::new);
    }

    fn mark(&mut self, index: StatusIndex) {
        self.grow(index.list().number() + 1);
        let Some(words) = self.taken.get_mut(position(index.list().number())) else { return };
        if words.is_empty() {
            words.resize(WORDS, 0);
        }
        if let Some(word) = words.get_mut(position(index.entry() / u64::BITS)) {
            *word |= 1 << (index.entry() % u64::BITS);
        }
    }

    /// The first index at or after `start` that seems free, wrapping around at the end of the last
    /// list; `None` if every index seems taken.
    ///
    /// The list of `start` is searched twice: first from the entry of `start`, and after all other
    /// lists from its beginning, for the entries before `start`.
    fn seems_free_from(&self, start: StatusIndex) -> Option<StatusIndex> {
        let (list, entry) = (start.list().number(), start.entry());
        let (before, after) = ((0..list), (list + 1..self.lists));
        let whole = after.chain(before).map(|list| (list, 0));
        std::iter::once((list, entry))
            .chain(whole)
            .chain([(list, 0)])
            .find_map(|(list, from)| Some((list, self.free_entry(list, from)?)))
            .map(|(list, entry)| StatusIndex::from_number(list * LIST_ENTRIES + entry))
    }

    fn free_entry(&self, list: u32, from: u32) -> Option<u32> {
        let words = self.taken.get(position(list)).filter(|words| !words.is_empty());
        let Some(words) = words else { return Some(from) };
        let first = from / u64::BITS;
        // The bits before `from` count as taken, so that the search begins there.
        let behind = (1 << (from % u64::BITS)) - 1;
        words.get(position(first)..)?.iter().zip(first..).find_map(|(word, number)| {
            let word = if number == first { word | behind } else { *word };
            (word != u64::MAX).then(|| number * u64::BITS + word.trailing_ones())
        })
    }
}

/// A position in memory. It always fits: there are fewer lists and words than addresses.
fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    /// Draws until something free comes up, as a login does, and counts the draws.
    fn take(space: &Space, taken: &mut [bool], random: &dyn Random) -> usize {
        (1..)
            .find(|_| {
                let index = space.draw(random);
                let in_vain = std::mem::replace(&mut taken[position(index.number())], true);
                space.note(index, in_vain);
                !in_vain
            })
            .unwrap()
    }

    fn nothing_taken() -> Vec<bool> {
        vec![false; 2 * position(LIST_ENTRIES)]
    }

    fn lists(space: &Space) -> usize {
        space.lists().count() - 1
    }

    #[test]
    fn who_remembers_all_draws_once_until_the_last_entry_is_taken() {
        let (space, random) = (Space::default(), SeededRandom::new(1));
        let mut taken = nothing_taken();
        for _ in 0..LIST_ENTRIES {
            assert_eq!(take(&space, &mut taken, &random), 1);
        }
        assert_eq!(lists(&space), 1);
        assert!(take(&space, &mut taken, &random) > MAX_REJECTED as usize);
        assert_eq!(lists(&space), 2);
        // From then on the second list is used, and no login waits long.
        let draws: Vec<usize> = (0..1000).map(|_| take(&space, &mut taken, &random)).collect();
        assert!(draws.iter().sum::<usize>() < 3000 && draws.iter().all(|draws| *draws < 30));
    }

    #[test]
    fn two_replicas_fill_a_list_to_nine_tenths_and_a_million_sessions_are_in_one() {
        let random = SeededRandom::new(2);
        let (one, two) = (Space::default(), Space::default());
        let mut taken = nothing_taken();
        let mut draws = 0;
        for session in 0..1_000_000 {
            let space = if session % 2 == 0 { &one } else { &two };
            draws += take(space, &mut taken, &random);
        }
        assert_eq!((lists(&one), lists(&two)), (1, 1));
        assert!(draws < 2_500_000, "{draws}");
    }

    #[test]
    fn a_replica_that_knows_nothing_finds_room() {
        // Every entry of the first ten lists is taken.
        let full = |index: StatusIndex| index.list().number() < 10;
        let (space, random) = (Space::default(), SeededRandom::new(2));
        let mut draws = 0;
        while let index = space.draw(&random)
            && full(index)
        {
            space.note(index, true);
            draws += 1;
            assert!(draws <= 4 * MAX_REJECTED + 30);
        }
        assert!(lists(&space) > 10);
    }

    #[test]
    fn what_was_released_is_drawn_again() {
        let (space, random) = (Space::default(), SeededRandom::new(3));
        for number in 0..LIST_ENTRIES {
            space.saw(StatusIndex::from_number(number));
        }
        // All of it seems taken: it is forgotten, and any draw may find what is free.
        let index = space.draw(&random);
        assert_eq!(space.fill().seems_free_from(index), Some(index));
        space.note(index, false);
        assert_ne!(space.fill().seems_free_from(index), Some(index));
        assert_eq!(lists(&space), 1);
    }

    #[test]
    fn the_search_goes_round() {
        let mut fill = Fill { lists: 2, rejected: 0, taken: vec![Vec::new(); 2] };
        let free = StatusIndex::from_number(70);
        for number in (0..2 * LIST_ENTRIES).filter(|number| *number != free.number()) {
            fill.mark(StatusIndex::from_number(number));
        }
        for start in [0, 63, 64, 70, 71, 128, LIST_ENTRIES - 1, LIST_ENTRIES, 2 * LIST_ENTRIES - 1]
        {
            assert_eq!(
                fill.seems_free_from(StatusIndex::from_number(start)),
                Some(free),
                "{start}"
            );
        }
        fill.mark(free);
        assert_eq!(fill.seems_free_from(free), None);
    }

    #[test]
    fn sessions_that_come_by_tell_of_lists() {
        let space = Space::default();
        assert_eq!(space.lists().map(ListId::number).collect::<Vec<_>>(), [0, 1]);
        space.saw(StatusIndex::from_number(2 * LIST_ENTRIES));
        assert_eq!(space.lists().map(ListId::number).collect::<Vec<_>>(), [0, 1, 2, 3]);
        space.saw(StatusIndex::from_number(0));
        assert_eq!(lists(&space), 3);
        space.saw(StatusIndex::from_number(u32::MAX));
        space.note(StatusIndex::from_number(1), true);
        assert_eq!(space.lists().count(), ListId::COUNT as usize);
    }

    #[test]
    fn indices_are_spread_over_all_entries() {
        let (space, random) = (Space::default(), SeededRandom::new(3));
        let halves = (0..1000).filter(|_| space.draw(&random).entry() < LIST_ENTRIES / 2).count();
        assert!((400..600).contains(&halves), "{halves}");
    }
}
