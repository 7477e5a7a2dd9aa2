-- Takes a request from a budget that refills continuously (GCRA).
--
-- The value is the instant, in microseconds of this server's clock, at which the budget is full again;
-- a full budget has no key. The clocks of the callers do not matter.
--
-- Atomic: of concurrent requests of all replicas exactly as many succeed as the budget allows.
--
-- KEYS[1]: the budget
-- ARGV: the microseconds in which one request is added, the microseconds in which all are
-- Result: 0, or the microseconds until the next request is allowed

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval, refill = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- After a clock was set back, the budget is empty at worst.
full_at = math.max(now, math.min(full_at, now + refill)) + interval
local excess = full_at - now - refill
if excess > 0 then
  return excess
end
local expiry = string.format('%.0f', math.ceil((full_at - now) / 1000))
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', expiry)
return 0
