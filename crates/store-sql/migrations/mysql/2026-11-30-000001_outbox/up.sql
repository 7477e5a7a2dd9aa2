-- What is to be sent after requests were answered. The entries of a queue are sent in the order of
-- `seq`. A claim moves `due_at` to the end of its lease.
CREATE TABLE IF NOT EXISTS outbox (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id         BINARY(16)     NOT NULL,
    queue      VARBINARY(255) NOT NULL,
    kind       VARBINARY(64)  NOT NULL,
    payload    BLOB           NOT NULL,
    created_at BIGINT         NOT NULL,
    due_at     BIGINT         NOT NULL,
    attempts   BIGINT         NOT NULL,
    UNIQUE INDEX outbox_by_id (id),
    INDEX outbox_by_queue (queue, seq),
    INDEX outbox_due (due_at, seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
