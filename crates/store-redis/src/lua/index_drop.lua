-- Removes the entries of sessions that were not found from the index of a subject.
--
-- An entry is written shortly before its session, so the entry of a young session may belong to an
-- insert in progress and is kept. An hour is far longer than any insert takes, and than clocks
-- differ. The age is compared here, with the server's clock, so that all replicas agree.
--
-- KEYS[1]: the index
-- ARGV: entry, the time at which its session was created, entry, time, …
-- Result: the number of removed entries.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000
local dropped = 0
for position = 1, #ARGV, 2 do
  if tonumber(ARGV[position + 1]) + 3600 * 1000 < now then
    dropped = dropped + redis.call('ZREM', KEYS[1], ARGV[position])
  end
end
return dropped
