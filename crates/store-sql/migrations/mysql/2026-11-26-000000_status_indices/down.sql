ALTER TABLE sessions
    DROP INDEX sessions_revoked,
    DROP INDEX sessions_by_status_index,
    DROP COLUMN status_index;
