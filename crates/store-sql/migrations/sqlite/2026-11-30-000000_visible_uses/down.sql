DROP INDEX sessions_live_by_subject;
ALTER TABLE sessions DROP COLUMN used_from;
ALTER TABLE sessions DROP COLUMN shown_expires_at;
ALTER TABLE sessions DROP COLUMN shown_used_at;
