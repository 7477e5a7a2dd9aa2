-- Ends the session if it hasn't ended: the first reason stays. The record stays too, as a
-- tombstone, until the time it was to be forgotten anyway, and for RETENTION at least: its status
-- index must not seem free while it is told to be revoked.
--
-- ARGV: instant, reason, and the subject whose it must be, or '' for anybody's
-- Answer: {'done' or 'standing', record}, or {'absent'}: a session is never made here.

local held = redis.call('HMGET', KEY, 'ended', 'subject', 'expires', 'ends')
if redis.call('EXISTS', KEY) == 0 then
  return {'absent'}
end
if held[1] or (ARGV[3] ~= '' and held[2] ~= ARGV[3]) then
  return answer('standing')
end
redis.call('HSET', KEY, 'ended', ARGV[1], 'reason', ARGV[2])
keep(held[3], held[4])
return answer('done')
