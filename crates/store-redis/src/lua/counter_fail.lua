-- Counts a failure, unless the window is full. The window is a number that expires with it, so this
-- server's clock alone decides when it ends.
--
-- Atomic: of concurrent failures of all replicas exactly as many are counted as the window has room for.
--
-- KEYS[1]: the window
-- ARGV: the number of failures of a full window, the milliseconds after which a new window ends
-- Result: 1 if it was counted, the failures, and the milliseconds until the window ends

local failures = tonumber(redis.call('GET', KEYS[1]) or 0)
if not failures then
  return redis.error_reply('WRONGTYPE not a number')
end
local counts = failures < tonumber(ARGV[1])
if counts then
  failures = redis.call('INCR', KEYS[1])
end
local left = redis.call('PTTL', KEYS[1])
-- A new window, or one that began before the period was shortened.
if left < 0 or left > tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return { counts and 1 or 0, failures, left }
