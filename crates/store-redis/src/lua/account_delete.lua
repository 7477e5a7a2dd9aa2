-- Deletes an account, if it is the one that is meant.
--
-- KEYS[1]: the account's record
-- ARGV: id
-- Answer: 1 if it was deleted, else 0.

if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
