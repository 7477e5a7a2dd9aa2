-- One row per session, however often it is refreshed.
-- No index on a column that a refresh changes, and room on each page: a refresh writes a new version
-- of this one row beside the old one and touches no index (a "heap-only tuple").
-- Times are milliseconds since the epoch, ids and marks 16 bytes, claims a JSON object or NULL.
-- Texts are compared byte by byte whatever the database's collation is.
CREATE TABLE sessions (
    id           bytea            NOT NULL PRIMARY KEY,
    subject      text COLLATE "C" NOT NULL,
    client       text COLLATE "C" NOT NULL,
    scope        text COLLATE "C" NOT NULL,
    claims       text COLLATE "C",
    device_name  text COLLATE "C",
    ip           text COLLATE "C",
    user_agent   text COLLATE "C",
    created_at   bigint           NOT NULL,
    ends_at      bigint           NOT NULL,
    generation   bigint           NOT NULL,
    issued_at    bigint           NOT NULL,
    expires_at   bigint           NOT NULL,
    last_used_at bigint           NOT NULL,
    mark         bytea,
    ended_at     bigint,
    end_reason   text COLLATE "C"
) WITH (fillfactor = 80);

CREATE INDEX sessions_by_subject ON sessions (subject);

CREATE TABLE accounts (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    login       text COLLATE "C" NOT NULL UNIQUE,
    email       text COLLATE "C" NOT NULL,
    password    text COLLATE "C" NOT NULL,
    first_name  text COLLATE "C",
    last_name   text COLLATE "C",
    created_at  bigint           NOT NULL,
    disabled_at bigint,
    claims      text COLLATE "C"
);
