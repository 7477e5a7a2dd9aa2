-- Creates an account in this key, unless the key is in use.
--
-- Atomic: of concurrent creations with one login exactly one succeeds, and the record is never
-- incomplete.
--
-- KEYS[1]: the account
-- ARGV: the fields of the record as name, value, name, value, …
-- Result: nil if it was created, otherwise the id of the account in this key, or '' if there is only
--         a reference in it.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('HGET', KEYS[1], 'id') or ''
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return false
