-- Ends a window that has fewer failures than a number; otherwise returns it.
--
-- Atomic: a window that concurrent failures fill is not ended.
--
-- KEYS[1]: the window
-- ARGV: the number of failures that a window must have to stay, the milliseconds after which it ends
--       at the latest
-- Result: the failures and the milliseconds until the window ends; no failures if there is none

local failures = tonumber(redis.call('GET', KEYS[1]) or 0)
if not failures then
  return redis.error_reply('WRONGTYPE not a number')
end
if failures < tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  return { 0, 0 }
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return { failures, left }
