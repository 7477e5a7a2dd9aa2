-- What is to be sent after requests were answered. The entries of a queue are sent in the order of
-- `seq`. A claim moves `due_at` to the end of its lease.
CREATE TABLE outbox (
    seq        INTEGER NOT NULL PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE,
    queue      TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    payload    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_by_queue ON outbox (queue, seq);
CREATE INDEX outbox_due ON outbox (due_at, seq);
