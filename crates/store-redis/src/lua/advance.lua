-- Moves the session from one generation to a later one if it stands there and hasn't ended.
--
-- ARGV: from, to, mark, issued, expires
-- Answer: {'done' or 'standing', record}, or {'absent'}: a session is never made here.

local held = redis.call('HMGET', KEY, 'generation', 'ended', 'used', 'ends')
if redis.call('EXISTS', KEY) == 0 then
  return {'absent'}
end
if held[2] or held[1] ~= ARGV[1] then
  return answer('standing')
end
redis.call('HSET', KEY, 'generation', ARGV[2], 'mark', ARGV[3], 'issued', ARGV[4],
  'expires', ARGV[5], 'used', later(held[3], ARGV[4]))
keep(ARGV[5], held[4])
return answer('done')
