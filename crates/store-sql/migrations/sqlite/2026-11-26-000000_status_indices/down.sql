DROP INDEX sessions_revoked;
DROP INDEX sessions_by_status_index;
ALTER TABLE sessions DROP COLUMN status_index;
