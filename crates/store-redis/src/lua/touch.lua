-- Records a use if the session is at a generation and has not ended. The last use never moves back.
--
-- Atomic: between the comparison and the write no other client can advance or end the session, and
-- of two concurrent uses the later one remains.
--
-- ARGV: generation, instant, visible_before
-- Result: {'applied' or 'refused', record}, or {'not_found'}: a session is never created here.

local held = redis.call('HMGET', KEY, 'generation', 'ended', 'used')
if redis.call('EXISTS', KEY) == 0 then
  return {'not_found'}
end
if held[2] or held[1] ~= ARGV[1] then
  return result('refused')
end
if later(held[3], ARGV[2]) ~= held[3] then
  note_use(ARGV[2], ARGV[3])
end
return result('applied')
