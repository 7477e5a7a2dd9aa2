-- Removes the pointer from an id to a login, if it still has this value.
--
-- Atomic: a pointer that was set to another login in between is kept.
--
-- KEYS[1]: the pointer
-- ARGV: the login
-- Result: 1 if it was removed, otherwise 0.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
