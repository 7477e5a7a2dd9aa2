-- When the owner of an account last proved to receive mail at its address, and when that changed.
ALTER TABLE accounts
    ADD COLUMN email_verified_at bigint,
    ADD COLUMN email_changed_at bigint;
