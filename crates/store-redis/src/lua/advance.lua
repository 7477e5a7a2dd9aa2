-- Advances the session to a later generation if it is at the expected one and has not ended.
--
-- Atomic: two requests with the same token meet here. One of them finds the expected generation;
-- the other finds what the first has written, and is refused with that record. All fields of the
-- generation change together, so the record always describes exactly one refresh token.
--
-- ARGV: from, to, mark, issued, expires
-- Result: {'applied' or 'refused', record}, or {'not_found'}: a session is never created here.

local held = redis.call('HMGET', KEY, 'generation', 'ended', 'used', 'ends')
if redis.call('EXISTS', KEY) == 0 then
  return {'not_found'}
end
if held[2] or held[1] ~= ARGV[1] then
  return result('refused')
end
redis.call('HSET', KEY, 'generation', ARGV[2], 'mark', ARGV[3], 'issued', ARGV[4],
  'expires', ARGV[5], 'used', later(held[3], ARGV[4]))
set_expiry(ARGV[5], held[4])
return result('applied')
