-- outbox_append
-- Appends an entry to its queue, unless an entry with its id is stored.
--
-- Atomic: the position of an entry is later than the positions of all entries before it, and a queue
-- with entries is always among the queues.
--
-- KEYS: the entries, their order, the queues, the failed attempts
-- ARGV: id, queue, the record, the instant when it is due
-- Result: 1 if it was appended, otherwise 0.

if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[3]) == 0 then
  return 0
end
-- No id of an entry is 'last'.
local position = redis.call('HINCRBY', KEYS[1], 'last', 1)
-- The length of the queue's name makes every prefix that of one queue.
local prefix = #ARGV[2] .. ':' .. ARGV[2] .. ':'
redis.call('ZADD', KEYS[2], 0, prefix .. string.format('%016x', position) .. ARGV[1])
redis.call('ZADD', KEYS[3], 'NX', ARGV[4], ARGV[2])
return 1
