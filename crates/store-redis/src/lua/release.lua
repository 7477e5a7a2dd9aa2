-- Removes the status index from a session that has this index and ended at this instant.
--
-- Atomic: the index is removed only if the session is still the one that the revocation describes.
-- A session that was restored by a failover and ended again has another instant, and its own
-- revocation.
--
-- ARGV: index, the instant of the end
-- Result: 'released'; or 'free' if the session does not have this index, or does not exist; or
--         'held' if it has the index, but is live or ended at another instant.

local held = redis.call('HMGET', KEY, 'status', 'ended')
if held[1] ~= ARGV[1] then
  return 'free'
end
if held[2] ~= ARGV[2] then
  return 'held'
end
redis.call('HDEL', KEY, 'status')
return 'released'
