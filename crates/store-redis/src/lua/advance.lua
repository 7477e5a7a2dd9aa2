-- Advances the session to a later generation if it is at the expected one and has not ended.
--
-- Atomic: two requests with the same token meet here. One of them finds the expected generation;
-- the other finds what the first has written, and is refused with that record. All fields of the
-- generation change together, so the record always describes exactly one refresh token.
--
-- ARGV: from, to, mark, issued, expires, visible_before, used_from or '' for none
-- Result: {'applied' or 'refused', record}, or {'not_found'}: a session is never created here.

local held = redis.call('HMGET', KEY, 'generation', 'ended', 'expires', 'ends')
if redis.call('EXISTS', KEY) == 0 then
  return {'not_found'}
end
if held[2] or held[1] ~= ARGV[1] then
  return result('refused')
end
note_use(ARGV[4], ARGV[6])
-- A server with a slow clock must not shorten the life of the session.
local expires = later(held[3], ARGV[5])
redis.call('HSET', KEY, 'generation', ARGV[2], 'mark', ARGV[3], 'issued', ARGV[4],
  'expires', expires)
if ARGV[7] == '' then
  redis.call('HDEL', KEY, 'used_from')
else
  redis.call('HSET', KEY, 'used_from', ARGV[7])
end
set_expiry(expires, held[4])
return result('applied')
