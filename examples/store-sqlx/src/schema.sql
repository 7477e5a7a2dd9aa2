-- One row per record, as JSON. The generated columns are what conditions and indexes need; they
-- cannot disagree with the record.

CREATE TABLE IF NOT EXISTS sessions (
  record TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE AS (record ->> 'id'),
  subject TEXT NOT NULL AS (record ->> 'subject'),
  generation INTEGER NOT NULL AS (record ->> 'generation'),
  expires_at INTEGER NOT NULL AS (min(record ->> 'expires_at', record ->> 'ends_at')),
  ended_at INTEGER AS (record ->> 'ended_at'),
  status INTEGER UNIQUE AS (record ->> 'status_index')
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_by_subject ON sessions (subject);
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at);
CREATE INDEX IF NOT EXISTS revoked_sessions ON sessions (ended_at, status) WHERE status IS NOT NULL;

CREATE TABLE IF NOT EXISTS accounts (
  record TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE AS (record ->> 'id'),
  login TEXT NOT NULL UNIQUE AS (record ->> 'login')
) STRICT;
