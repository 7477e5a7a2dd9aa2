-- A session's place in the status lists, NULL for none: no two sessions have one place, and of NULLs
-- a unique index takes any number.
-- No index on a column that a refresh changes. The second has what is read of revocations.
-- One statement, so that all of it is there or nothing, and only if it isn't there: MySQL has no
-- ADD COLUMN IF NOT EXISTS, and a migration that broke off is run again.
SET @status_indices = IF(
    EXISTS (
        SELECT 1 FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = 'sessions'
            AND column_name = 'status_index'
    ),
    'DO 0',
    'ALTER TABLE sessions
         ADD COLUMN status_index BIGINT,
         ADD UNIQUE INDEX sessions_by_status_index (status_index),
         ADD INDEX sessions_revoked (ended_at, status_index)'
);
PREPARE status_indices FROM @status_indices;
EXECUTE status_indices;
DEALLOCATE PREPARE status_indices;
