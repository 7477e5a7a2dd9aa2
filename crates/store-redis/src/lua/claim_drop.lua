-- Removes the claim of a status index, if it still belongs to a session.
--
-- Atomic: a claim that another session has taken over in between is kept.
--
-- KEYS[1]: the claim
-- ARGV: session
-- Result: 1 if it was removed, otherwise 0.

local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^%S+') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
