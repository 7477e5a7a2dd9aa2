-- Ends the session if it has not ended: the first reason is kept. The record stays until it would
-- have expired anyway, and for RETENTION at least: its status index must not become available while
-- status lists show it as revoked.
--
-- Atomic: of concurrent ends exactly one is applied, and no advance can follow it, because an
-- advance checks the same field in its own script.
--
-- ARGV: instant, reason, and the subject that must own the session, or '' for any subject
-- Result: {'applied' or 'refused', record}, or {'not_found'}: a session is never created here.

local held = redis.call('HMGET', KEY, 'ended', 'subject', 'expires', 'ends')
if redis.call('EXISTS', KEY) == 0 then
  return {'not_found'}
end
if held[1] or (ARGV[3] ~= '' and held[2] ~= ARGV[3]) then
  return result('refused')
end
redis.call('HSET', KEY, 'ended', ARGV[1], 'reason', ARGV[2])
-- Only what is needed to refuse its tokens remains.
redis.call('HDEL', KEY, 'claims', 'device', 'ip', 'agent', 'used_from')
set_expiry(held[3], held[4])
return result('applied')
