-- Notes a use if the session stands at a generation and hasn't ended. The last use never moves
-- back.
--
-- ARGV: generation, instant
-- Answer: {'done' or 'standing', record}, or {'absent'}: a session is never made here.

local held = redis.call('HMGET', KEY, 'generation', 'ended', 'used')
if redis.call('EXISTS', KEY) == 0 then
  return {'absent'}
end
if held[2] or held[1] ~= ARGV[1] then
  return answer('standing')
end
redis.call('HSET', KEY, 'used', later(held[3], ARGV[2]))
return answer('done')
