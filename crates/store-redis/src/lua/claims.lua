-- Replaces the extra claims of a session that has not ended and belongs to a subject.
--
-- Atomic: only this field is written, so concurrent advances are not undone, and the check of the
-- subject holds at the moment of the write.
--
-- ARGV: subject, claims as JSON or '' for none
-- Result: 1 if they were replaced, otherwise 0.

local held = redis.call('HMGET', KEY, 'subject', 'ended')
if held[1] ~= ARGV[1] or held[2] then
  return 0
end
if ARGV[2] == '' then
  redis.call('HDEL', KEY, 'claims')
else
  redis.call('HSET', KEY, 'claims', ARGV[2])
end
return 1
