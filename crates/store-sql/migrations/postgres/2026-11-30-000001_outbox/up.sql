-- What is to be sent after requests were answered. The entries of a queue are sent in the order of
-- `seq`. A claim moves `due_at` to the end of its lease.
CREATE TABLE outbox (
    seq        bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         bytea            NOT NULL UNIQUE,
    queue      text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    payload    text COLLATE "C" NOT NULL,
    created_at bigint           NOT NULL,
    due_at     bigint           NOT NULL,
    attempts   bigint           NOT NULL
);

CREATE INDEX outbox_by_queue ON outbox (queue, seq);
CREATE INDEX outbox_due ON outbox (due_at, seq);
