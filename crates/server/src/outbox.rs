//! Sending what requests left in the outbox: claims, attempts and their schedule. What a message is
//! and how it leaves is up to a [`Deliver`].

mod deliver;
mod schedule;
mod sender;
mod waking;

pub(crate) use self::deliver::{Attempt, Deliver};
pub(crate) use self::sender::Sender;
pub(crate) use self::waking::WakingOutbox;
