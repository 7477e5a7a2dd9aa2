//! The Lua scripts. Each is one atomic step on one key, or on the keys of the outbox; its header describes what it does, what must
//! be atomic, and its result.
//!
//! A server executes a script without executing any other command in between, and a Cluster routes it
//! by its first key. So a step is atomic without transactions or watches, in one round trip, on every
//! topology.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script. It is called by its hash, and sent in full only to a server that does not know it.
pub(crate) struct LuaScript {
    code: &'static str,
    hash: LazyLock<String>,
}

impl LuaScript {
    /// The call by hash, with `EVALSHA`.
    pub(crate) fn by_hash(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.hash, keys, arguments)
    }

    /// The call with the full text, with `EVAL`, after which the server knows the hash.
    ///
    /// `SCRIPT LOAD` would have to reach every node of a Cluster and fails if one is down. `EVAL` only
    /// reaches the node of the key, and needs no further round trip.
    pub(crate) fn by_text(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(keys.len()).arg(keys);
    for argument in arguments {
        call.arg(*argument);
    }
    call
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {$(
        pub(crate) static $name: LuaScript = LuaScript {
            code: concat!($(include_str!(concat!("lua/", $file, ".lua"))),+),
            hash: LazyLock::new(|| Script::new($name.code).get_hash().to_owned()),
        };
    )*};
}

scripts! {
    INSERT = "record" "insert";
    ADVANCE = "record" "advance";
    TOUCH = "record" "touch";
    END = "record" "end";
    SET_CLAIMS = "record" "claims";
    RELEASE = "record" "release";
    CLAIM = "claim";
    CLAIM_DROP = "claim_drop";
    INDEX_ADD = "index_add";
    INDEX_DROP = "index_drop";
    ACCOUNT_CREATE = "account_create";
    ACCOUNT_CHANGE = "account_change";
    ACCOUNT_DELETE = "account_delete";
    ACCOUNT_PLACE = "account_place";
    ACCOUNT_MOVE = "account_move";
    LOGIN_RESERVE = "login_reserve";
    LOGIN_RELEASE = "login_release";
    POINTER_DROP = "pointer_drop";
    OUTBOX_APPEND = "outbox_append";
    OUTBOX_CLAIM = "outbox_claim";
    OUTBOX_RETRY = "outbox_retry";
    OUTBOX_REMOVE = "outbox_remove";
    COUNTER_REQUEST = "counter_request";
    COUNTER_FAIL = "counter_fail";
    COUNTER_TAKE_BACK = "counter_take_back";
    COUNTER_CLEAR = "counter_clear";
    WRITE_CHECK = "write_check";
}

#[cfg(test)]
mod tests {
    use aquaware_core::session::RETENTION;

    #[test]
    fn the_scripts_use_the_retention_of_the_core() {
        let days = RETENTION.as_secs() / 86_400;
        assert_eq!(days * 86_400, RETENTION.as_secs());
        let line = format!("local RETENTION = {days} * 86400 * 1000");
        for code in [
            include_str!("lua/record.lua"),
            include_str!("lua/index_add.lua"),
            include_str!("lua/claim.lua"),
        ] {
            assert!(code.lines().any(|found| found == line));
        }
    }
}
