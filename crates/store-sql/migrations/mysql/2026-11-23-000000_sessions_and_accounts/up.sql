-- One row per session, however often it is refreshed.
-- No index on a column that a refresh changes: a refresh rewrites this one row and nothing else.
-- Times are milliseconds since the epoch, ids and marks 16 bytes, claims a JSON object or NULL.
-- Texts are kept as the bytes of their UTF-8: every collation here folds something, and most ignore
-- spaces at the end.
-- Each statement commits by itself, so each does no harm when it is run again.
CREATE TABLE IF NOT EXISTS sessions (
    id           BINARY(16)      NOT NULL PRIMARY KEY,
    subject      VARBINARY(255)  NOT NULL,
    client       VARBINARY(64)   NOT NULL,
    scope        VARBINARY(1023) NOT NULL,
    claims       BLOB,
    device_name  VARBINARY(255),
    ip           VARBINARY(255),
    user_agent   VARBINARY(1024),
    created_at   BIGINT          NOT NULL,
    ends_at      BIGINT          NOT NULL,
    generation   BIGINT          NOT NULL,
    issued_at    BIGINT          NOT NULL,
    expires_at   BIGINT          NOT NULL,
    last_used_at BIGINT          NOT NULL,
    mark         BINARY(16),
    ended_at     BIGINT,
    end_reason   VARBINARY(32),
    INDEX sessions_by_subject (subject)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS accounts (
    id          VARBINARY(255) NOT NULL PRIMARY KEY,
    login       VARBINARY(254) NOT NULL,
    email       VARBINARY(1024) NOT NULL,
    password    VARBINARY(255) NOT NULL,
    first_name  VARBINARY(255),
    last_name   VARBINARY(255),
    created_at  BIGINT         NOT NULL,
    disabled_at BIGINT,
    claims      BLOB,
    UNIQUE INDEX accounts_by_login (login)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
