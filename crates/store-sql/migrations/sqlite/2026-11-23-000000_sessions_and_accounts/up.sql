-- One row per session, however often it is refreshed.
-- No index on a column that a refresh changes: a refresh rewrites this one row and nothing else.
-- Times are milliseconds since the epoch, ids and marks 16 bytes, claims a JSON object or NULL.
CREATE TABLE sessions (
    id           BLOB    NOT NULL PRIMARY KEY,
    subject      TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    scope        TEXT    NOT NULL,
    claims       TEXT,
    device_name  TEXT,
    ip           TEXT,
    user_agent   TEXT,
    created_at   INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    issued_at    INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    mark         BLOB,
    ended_at     INTEGER,
    end_reason   TEXT
) STRICT;

CREATE INDEX sessions_by_subject ON sessions (subject);

CREATE TABLE accounts (
    id          TEXT    NOT NULL PRIMARY KEY,
    login       TEXT    NOT NULL UNIQUE,
    email       TEXT    NOT NULL,
    password    TEXT    NOT NULL,
    first_name  TEXT,
    last_name   TEXT,
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER,
    claims      TEXT
) STRICT;
