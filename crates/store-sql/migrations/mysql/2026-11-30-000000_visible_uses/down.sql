ALTER TABLE sessions
    DROP INDEX sessions_live_by_subject,
    DROP COLUMN used_from,
    DROP COLUMN shown_expires_at,
    DROP COLUMN shown_used_at;
