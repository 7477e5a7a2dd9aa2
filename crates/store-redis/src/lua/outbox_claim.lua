-- outbox_claim
-- Claims the first entries of the queues that are due, until the end of a lease.
--
-- Atomic: no other claim returns the same entry before the lease ends.
--
-- KEYS: the entries, their order, the queues, the failed attempts
-- ARGV: the current instant, the end of the lease, the maximum number of entries
-- Result: id, record and number of failed attempts of each entry, in one list.

local claimed = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, queue in ipairs(due) do
  local prefix = #queue .. ':' .. queue .. ':'
  local first =
    redis.call('ZRANGEBYLEX', KEYS[2], '[' .. prefix, '(' .. prefix .. 'g', 'LIMIT', 0, 1)[1]
  local id = first and string.sub(first, #prefix + 17)
  local record = id and redis.call('HGET', KEYS[1], id)
  if record then
    redis.call('ZADD', KEYS[3], ARGV[2], queue)
    claimed[#claimed + 1] = id
    claimed[#claimed + 1] = record
    claimed[#claimed + 1] = redis.call('HGET', KEYS[4], id) or '0'
  end
end
return claimed
