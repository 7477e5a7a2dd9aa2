-- outbox_retry
-- Ends a claim: the entry stays the first of its queue and is due later.
--
-- Atomic: a sender whose lease ended cannot change the claim of another one.
--
-- KEYS: the entries, their order, the queues, the failed attempts
-- ARGV: id, queue, the end of the lease, the instant when it is due, the number of failed attempts
-- Result: 1 if the claim was valid, otherwise 0.

local claim = redis.call('ZSCORE', KEYS[3], ARGV[2])
if not claim or tonumber(claim) ~= tonumber(ARGV[3])
  or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[2])
redis.call('HSET', KEYS[4], ARGV[1], ARGV[5])
return 1
