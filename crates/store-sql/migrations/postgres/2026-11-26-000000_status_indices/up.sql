-- A session's place in the status lists, NULL for none: no two sessions have one place.
-- Both indexes hold what has a place alone, and no column that a refresh changes, not even in their
-- conditions: a refresh stays a "heap-only tuple". The second has what is read of revocations, and
-- nothing of the living.
ALTER TABLE sessions ADD COLUMN status_index bigint;

CREATE UNIQUE INDEX sessions_by_status_index ON sessions (status_index)
    WHERE status_index IS NOT NULL;

CREATE INDEX sessions_revoked ON sessions (ended_at) INCLUDE (status_index)
    WHERE status_index IS NOT NULL AND ended_at IS NOT NULL;
