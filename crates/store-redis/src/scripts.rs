//! The scripts: each one atomic step on one key. Their contracts stand in their own headers.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script, called by its hash and sent whole only where the server doesn't know it.
pub(crate) struct Step {
    code: &'static str,
    hash: LazyLock<String>,
}

impl Step {
    /// `EVALSHA`: what is sent first.
    pub(crate) fn by_hash(&self, key: &str, arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.hash, key, arguments)
    }

    /// `EVAL`, after the server said that it doesn't know the hash; from then on it does.
    ///
    /// `SCRIPT LOAD` would go to every node of a Cluster and fail where one is down. This goes to
    /// the one that is asked, and no other round trip is needed.
    pub(crate) fn whole(&self, key: &str, arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, key, arguments)
    }
}

fn call(command: &str, script: &str, key: &str, arguments: &[&[u8]]) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(1).arg(key);
    for argument in arguments {
        call.arg(*argument);
    }
    call
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $($file:literal)+;)*) => {$(
        $(#[$doc])*
        pub(crate) static $name: Step = Step {
            code: concat!($(include_str!(concat!("lua/", $file, ".lua"))),+),
            hash: LazyLock::new(|| Script::new($name.code).get_hash().to_owned()),
        };
    )*};
}

steps! {
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
    POINTER_DROP = "pointer_drop";
}

#[cfg(test)]
mod tests {
    use aquaware_core::session::RETENTION;

    #[test]
    fn the_scripts_keep_records_as_long_as_the_core_says() {
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
