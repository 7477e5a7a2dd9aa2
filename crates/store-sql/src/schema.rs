//! The tables as diesel sees them, the same for every engine.
//!
//! What an engine calls the types, which indexes it has, is in `migrations/<engine>`. The order of
//! the columns is the order of the fields in [`row`](crate::row).

diesel::table! {
    /// One row per session.
    sessions (id) {
        /// 16 bytes.
        id -> Binary,
        /// Whose it is.
        subject -> Text,
        /// Which client logged in.
        client -> Text,
        /// Scope tokens, space-delimited; empty for none.
        scope -> Text,
        /// A JSON object; null for an empty one.
        claims -> Nullable<Text>,
        /// The device's name.
        device_name -> Nullable<Text>,
        /// The address of the login.
        ip -> Nullable<Text>,
        /// The `User-Agent` of the login.
        user_agent -> Nullable<Text>,
        /// Milliseconds, as all times here.
        created_at -> BigInt,
        /// End of the absolute lifetime.
        ends_at -> BigInt,
        /// The live generation.
        generation -> BigInt,
        /// When it came to be.
        issued_at -> BigInt,
        /// End of the idle lifetime.
        expires_at -> BigInt,
        /// When a refresh last succeeded.
        last_used_at -> BigInt,
        /// 16 bytes; null before the first refresh.
        mark -> Nullable<Binary>,
        /// When it ended.
        ended_at -> Nullable<BigInt>,
        /// Why: a word of `EndReason`. Null exactly when `ended_at` is.
        end_reason -> Nullable<Text>,
        /// Its place in the status lists, which no other row has: 32 bits without a sign.
        status_index -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// One row per account.
    accounts (id) {
        /// Its name in tokens.
        id -> Text,
        /// What it is found by; unique.
        login -> Text,
        /// The address as its owner wrote it.
        email -> Text,
        /// The password's hash.
        password -> Text,
        /// Given name.
        first_name -> Nullable<Text>,
        /// Family name.
        last_name -> Nullable<Text>,
        /// Milliseconds, as all times here.
        created_at -> BigInt,
        /// Since when it may not log in.
        disabled_at -> Nullable<BigInt>,
        /// A JSON object; null for an empty one.
        claims -> Nullable<Text>,
    }
}

#[cfg(feature = "sqlite")]
diesel::table! {
    /// What the migration harness keeps: the steps this database has been through.
    __diesel_schema_migrations (version) {
        /// The step's version, as in its folder's name.
        version -> Text,
    }
}
