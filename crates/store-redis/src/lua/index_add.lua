-- Adds a session to the index of its subject, and removes the entries of expired
-- sessions. Entries are only added, or their expiry is moved to a later time.
--
-- Atomic: the entry is never in the index without the key living long enough. Were the two separate
-- commands, a crash in between could let the index expire before its sessions, and `end_all` would
-- miss them.
--
-- KEYS[1]: the index, a sorted set of entries by the time when their session may be dropped
-- ARGV: entry, the end of the absolute lifetime of its session
-- Result: 1.

local RETENTION = 7 * 86400 * 1000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(ARGV[2])
if last < now then
  last = now
end
-- One day more, so that the index outlives its sessions.
local at = last + RETENTION + 86400 * 1000

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', at), ARGV[1])

-- The key lives as long as the longest of its entries. Its expiry is never moved to an earlier time.
local left = redis.call('PTTL', KEYS[1])
if at >= 2 ^ 53 then
  redis.call('PERSIST', KEYS[1])
elseif redis.call('ZCARD', KEYS[1]) == 1 or (left >= 0 and now + left < at) then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', at))
end
return 1
