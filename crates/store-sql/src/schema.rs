//! The tables as diesel sees them, the same for every engine.
//!
//! Each engine's types and indexes are in `migrations/<engine>`. The columns have the order of the
//! fields in [`row`](crate::row).

diesel::table! {
    /// One row per session.
    sessions (id) {
        /// 16 bytes.
        id -> Binary,
        /// The subject of its tokens.
        subject -> Text,
        /// The client that logged in.
        client -> Text,
        /// Scope tokens, separated by spaces; empty for none.
        scope -> Text,
        /// A JSON object; null for an empty one.
        claims -> Nullable<Text>,
        /// The device's name.
        device_name -> Nullable<Text>,
        /// The IP address of the login.
        ip -> Nullable<Text>,
        /// The `User-Agent` of the login.
        user_agent -> Nullable<Text>,
        /// Milliseconds since the epoch, as all times here.
        created_at -> BigInt,
        /// End of the absolute lifetime.
        ends_at -> BigInt,
        /// The live generation.
        generation -> BigInt,
        /// When that generation was issued.
        issued_at -> BigInt,
        /// End of the idle lifetime.
        expires_at -> BigInt,
        /// The last use.
        last_used_at -> BigInt,
        /// 16 bytes; null before the first refresh.
        mark -> Nullable<Binary>,
        /// When it ended.
        ended_at -> Nullable<BigInt>,
        /// The `EndReason`; null exactly when `ended_at` is.
        end_reason -> Nullable<Text>,
        /// Its index in the status lists, unique: an unsigned 32-bit number.
        status_index -> Nullable<BigInt>,
        /// The use to show while the last one is too recent; null before the first refresh.
        shown_used_at -> Nullable<BigInt>,
        /// The end of the idle lifetime as of that use; null exactly when that is.
        shown_expires_at -> Nullable<BigInt>,
        /// The origin of the last refresh.
        used_from -> Nullable<Text>,
    }
}

diesel::table! {
    /// One row per account.
    accounts (id) {
        /// The subject of its tokens.
        id -> Text,
        /// The login, in the form in which logins are compared; unique.
        login -> Text,
        /// The email address as it was entered.
        email -> Text,
        /// The password's hash.
        password -> Text,
        /// Given name.
        first_name -> Nullable<Text>,
        /// Family name.
        last_name -> Nullable<Text>,
        /// Milliseconds since the epoch, as all times here.
        created_at -> BigInt,
        /// When the account was disabled.
        disabled_at -> Nullable<BigInt>,
        /// A JSON object; null for an empty one.
        claims -> Nullable<Text>,
        /// When the owner last proved to receive mail at the address.
        email_verified_at -> Nullable<BigInt>,
        /// When the address was last changed.
        email_changed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// One row per entry of the outbox.
    outbox (seq) {
        /// The order of the entries, given by the engine.
        seq -> BigInt,
        /// 16 bytes, unique.
        id -> Binary,
        /// What is sent in order.
        queue -> Text,
        /// What the entry is.
        kind -> Text,
        /// Its content, in JSON.
        payload -> Text,
        /// Milliseconds since the epoch, as all times here.
        created_at -> BigInt,
        /// When it is to be sent, or the end of its claim.
        due_at -> BigInt,
        /// The number of failed attempts.
        attempts -> BigInt,
    }
}

diesel::table! {
    /// The migrations this database has been through, in the table that diesel's tools use.
    __diesel_schema_migrations (version) {
        /// The version: the migration's folder name up to the underscore, without dashes.
        version -> Text,
    }
}

/// Whether programs that do not know this migration work with the tables after it: its number, the
/// last six digits of the version, is 500000 or higher. An earlier program must be able to start while
/// replicas are upgraded, and after them. It rejects every other migration that it does not know.
pub(crate) fn is_additive(version: &str) -> bool {
    let number = version.len().checked_sub(6).and_then(|start| version.get(start..));
    number.and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number >= 500_000)
}

#[cfg(test)]
mod tests {
    use super::is_additive;

    #[test]
    fn a_migration_is_additive_if_its_number_says_so() {
        for additive in ["20270101500000", "20270101999999", "20270101500001"] {
            assert!(is_additive(additive), "{additive}");
        }
        for other in
            ["20261130000002", "20270101499999", "99990101000000", "3", "", "2027010150000x"]
        {
            assert!(!is_additive(other), "{other}");
        }
    }
}
