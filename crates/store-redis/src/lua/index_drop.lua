-- Drops entries from the index of a subject whose sessions were found to be gone.
--
-- An entry is written a moment before its session, so one of a young session may belong to an
-- insert that is under way: it stays. An hour is far longer than any insert takes, and than clocks
-- differ.
--
-- KEYS[1]: the index
-- ARGV: entry, when its session was made, entry, when, …
-- Answer: how many were dropped.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000
local dropped = 0
for place = 1, #ARGV, 2 do
  if tonumber(ARGV[place + 1]) + 3600 * 1000 < now then
    dropped = dropped + redis.call('ZREM', KEYS[1], ARGV[place])
  end
end
return dropped
