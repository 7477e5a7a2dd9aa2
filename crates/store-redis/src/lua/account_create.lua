-- Keeps a new account, unless its login is taken.
--
-- KEYS[1]: the account's record
-- ARGV: the fields of the record as name, value, name, value, …
-- Answer: nothing if it was kept, else the id of the account that is there.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('HGET', KEYS[1], 'id') or ''
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return false
