-- Gives a session of a subject that hasn't ended other extra claims.
--
-- ARGV: subject, claims as JSON or '' for none
-- Answer: 1 if there is such a session, else 0.

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
