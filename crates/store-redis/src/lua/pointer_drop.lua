-- Drops the pointer from an id to a login, if it still leads there.
--
-- KEYS[1]: the pointer
-- ARGV: the login
-- Answer: 1 if it was dropped, else 0.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
