-- Deletes an account, if it has the expected id.
--
-- Atomic: an account that was created with the same login in between is kept.
--
-- KEYS[1]: the account
-- ARGV: id
-- Result: 1 if it was deleted, otherwise 0.

if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
