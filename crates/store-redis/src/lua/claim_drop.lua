-- Gives a status index up, if it is still that session's.
--
-- KEYS[1]: the claim
-- ARGV: session
-- Answer: 1 if it was given up, else 0.

local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^%S+') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
