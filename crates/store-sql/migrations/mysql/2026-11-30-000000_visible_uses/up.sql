-- The last use of a session that may be shown, the origin of its last refresh, and an index of the
-- sessions of a subject that have not ended, in the order of lists. The index has no column that a
-- refresh changes.
-- One statement, so that all of it is applied or nothing, and only if it has not been applied: MySQL
-- has no ADD COLUMN IF NOT EXISTS, and an interrupted migration is run again.
SET @visible_uses = IF(
    EXISTS (
        SELECT 1 FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = 'sessions'
            AND column_name = 'shown_used_at'
    ),
    'DO 0',
    'ALTER TABLE sessions
         ADD COLUMN shown_used_at BIGINT,
         ADD COLUMN shown_expires_at BIGINT,
         ADD COLUMN used_from VARBINARY(255),
         ADD INDEX sessions_live_by_subject (subject, ended_at, created_at, id)'
);
PREPARE visible_uses FROM @visible_uses;
EXECUTE visible_uses;
DEALLOCATE PREPARE visible_uses;
