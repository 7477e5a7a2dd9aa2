-- Creates an account in a key of its own, after its login was reserved.
--
-- Atomic: of concurrent creations with one id exactly one succeeds.
--
-- KEYS[1]: the account
-- ARGV: the time of the reservation, the fields of the record as name, value, name, value, …
-- Result: 1 if it was created, 0 if the key is in use, -1 if the reservation is too old.

local time = redis.call('TIME')
if tonumber(ARGV[1]) + 20000 < tonumber(time[1]) * 1000 then
  return -1
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
