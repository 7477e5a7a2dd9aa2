-- When the owner of an account last proved to receive mail at its address, and when that changed.
-- One statement, so that all of it is applied or nothing, and only if it has not been applied: MySQL
-- has no ADD COLUMN IF NOT EXISTS, and an interrupted migration is run again.
SET @email_verified = IF(
    EXISTS (
        SELECT 1 FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name = 'accounts'
            AND column_name = 'email_verified_at'
    ),
    'DO 0',
    'ALTER TABLE accounts
         ADD COLUMN email_verified_at BIGINT,
         ADD COLUMN email_changed_at BIGINT'
);
PREPARE email_verified FROM @email_verified;
EXECUTE email_verified;
DEALLOCATE PREPARE email_verified;
