-- Replaces the extra claims of a session that has not ended.
--
-- Atomic: only this field is written, so concurrent advances are not undone, and the session has not
-- ended at the moment of the write.
--
-- ARGV: claims as JSON or '' for none
-- Result: 1 if they were replaced, otherwise 0.

local held = redis.call('HMGET', KEY, 'subject', 'ended')
if not held[1] or held[2] then
  return 0
end
if ARGV[1] == '' then
  redis.call('HDEL', KEY, 'claims')
else
  redis.call('HSET', KEY, 'claims', ARGV[1])
end
return 1
