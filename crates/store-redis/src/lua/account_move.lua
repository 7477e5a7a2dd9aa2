-- Changes the address of an account, after its new login was reserved.
--
-- Atomic: the account has the former or the new address, and a concurrent change of its password is
-- either seen or fails.
--
-- KEYS[1]: the account
-- ARGV: the time of the reservation, id, the name in the key, expected login, expected password,
--       new login, address, time of verification
-- Result: 1 if it was changed, 0 if the condition did not hold or the reservation is too old.

local time = redis.call('TIME')
if tonumber(ARGV[1]) + 20000 < tonumber(time[1]) * 1000 then
  return 0
end
local id, login, password = unpack(redis.call('HMGET', KEYS[1], 'id', 'login', 'password'))
if id ~= ARGV[2] or (login or ARGV[3]) ~= ARGV[4] or password ~= ARGV[5] then
  return 0
end
if ARGV[6] == ARGV[3] then
  redis.call('HDEL', KEYS[1], 'login')
else
  redis.call('HSET', KEYS[1], 'login', ARGV[6])
end
redis.call('HSET', KEYS[1], 'email', ARGV[7], 'verified', ARGV[8], 'changed', ARGV[8])
return 1
