ALTER TABLE accounts
    DROP COLUMN email_changed_at,
    DROP COLUMN email_verified_at;
