-- Deletes an account, if it has the expected id. A reference of the same key is kept.
--
-- Atomic: an account that was created in the same key in between is kept.
--
-- KEYS[1]: the account
-- ARGV: id
-- Result: nil if there is no such account, otherwise its login if that is not part of the key, or ''.

if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then
  return false
end
local login = redis.call('HGET', KEYS[1], 'login') or ''
local to, to_at = unpack(redis.call('HMGET', KEYS[1], 'to', 'to_at'))
redis.call('DEL', KEYS[1])
if to then
  redis.call('HSET', KEYS[1], 'to', to, 'to_at', to_at)
end
return login
