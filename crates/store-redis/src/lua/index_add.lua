-- Puts a session into the index of its subject, and drops from it what no session can be behind
-- any more. Puts nothing back: an entry is only ever added, or its time moved on.
--
-- KEYS[1]: the index, a sorted set of entries by the time when their session may be forgotten
-- ARGV: entry, the absolute end of its session
-- The key itself lives as long as the longest of its entries; its time is only ever moved on.

local RETENTION = 7 * 86400 * 1000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(ARGV[2])
if last < now then
  last = now
end
-- A day on top, so that the index outlives the sessions in it.
local at = last + RETENTION + 86400 * 1000

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', at), ARGV[1])

local left = redis.call('PTTL', KEYS[1])
if at >= 2 ^ 53 then
  redis.call('PERSIST', KEYS[1])
elseif redis.call('ZCARD', KEYS[1]) == 1 or (left >= 0 and now + left < at) then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', at))
end
return 1
