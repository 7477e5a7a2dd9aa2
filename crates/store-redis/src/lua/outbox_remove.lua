-- outbox_remove
-- Removes a claimed entry. The next entry of its queue becomes the first.
--
-- Atomic: a queue is among the queues exactly as long as it has entries, and a sender whose lease
-- ended removes nothing.
--
-- KEYS: the entries, their order, the queues, the failed attempts
-- ARGV: id, queue, the end of the lease
-- Result: 1 if it was removed, otherwise 0.

local claim = redis.call('ZSCORE', KEYS[3], ARGV[2])
if not claim or tonumber(claim) ~= tonumber(ARGV[3])
  or redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[4], ARGV[1])
local prefix = #ARGV[2] .. ':' .. ARGV[2] .. ':'
local entries =
  redis.call('ZRANGEBYLEX', KEYS[2], '[' .. prefix, '(' .. prefix .. 'g', 'LIMIT', 0, 2)
redis.call('ZREM', KEYS[2], entries[1])
local next = entries[2] and redis.call('HGET', KEYS[1], string.sub(entries[2], #prefix + 17))
if next then
  local due = cjson.decode(next).due_at
  redis.call('ZADD', KEYS[3], string.format('%.0f', due), ARGV[2])
else
  redis.call('ZREM', KEYS[3], ARGV[2])
end
return 1
