-- Removes the reference from a login to the key of an account, if it still refers to it.
--
-- Atomic: a reference to another account that was made in between is kept.
--
-- KEYS[1]: the login
-- ARGV: the key referred to
-- Result: 1 if it was removed, otherwise 0.

if redis.call('HGET', KEYS[1], 'to') ~= ARGV[1] then
  return 0
end
return redis.call('HDEL', KEYS[1], 'to', 'to_at') > 0 and 1 or 0
