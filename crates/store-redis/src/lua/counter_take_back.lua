-- Takes one failure back. A window without failures ends.
--
-- Atomic: concurrent failures are neither lost nor counted twice.
--
-- KEYS[1]: the window
-- ARGV: the largest number of failures of which one is taken back
-- Result: 1 if one was taken back, 0 otherwise

local failures = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
if failures < 1 or failures > tonumber(ARGV[1]) then
  return 0
end
if redis.call('DECR', KEYS[1]) < 1 then
  redis.call('DEL', KEYS[1])
end
return 1
