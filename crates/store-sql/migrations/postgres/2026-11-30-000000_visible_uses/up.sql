-- The last use of a session that may be shown, and the origin of its last refresh.
ALTER TABLE sessions
    ADD COLUMN shown_used_at bigint,
    ADD COLUMN shown_expires_at bigint,
    ADD COLUMN used_from text COLLATE "C";

-- The sessions of a subject that have not ended, in the order of lists. It has no column that a
-- refresh changes, so a refresh stays a "heap-only tuple", and no session that ended.
CREATE INDEX sessions_live_by_subject ON sessions (subject, created_at, id)
    WHERE ended_at IS NULL;
