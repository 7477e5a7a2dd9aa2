-- Makes a login refer to the key of an account, unless another account has the login.
--
-- A reference contains the key and the time at which it was made, by the server's clock. One to the
-- same key is renewed. One to another key is replaced only if it is the one that the caller has found
-- to be abandoned. The account and its login are on different nodes of a Cluster, so one script cannot
-- cover both: the caller reserves first and changes the account within a few seconds (the record
-- refuses a late change). A crash in between leaves an abandoned reference.
--
-- Atomic: of concurrent reservations of one login exactly one succeeds.
--
-- KEYS[1]: the login, which is also the key of the account that was created with it
-- ARGV: the login, the key to refer to, the abandoned reference that may be replaced or ''
-- Result: the time, in milliseconds, if the login is reserved now. Otherwise the other reference, if it
--         is old enough to be abandoned; or '' if the login is taken or about to be.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local id, login, to, to_at = unpack(redis.call('HMGET', KEYS[1], 'id', 'login', 'to', 'to_at'))

if id and (login or ARGV[1]) == ARGV[1] then
  return ''
end
if to and to ~= ARGV[2] and to ~= ARGV[3] then
  return tonumber(to_at) + 60000 < now and to or ''
end
if to and to == ARGV[3] and tonumber(to_at) + 60000 >= now then
  return ''
end
redis.call('HSET', KEYS[1], 'to', ARGV[2], 'to_at', string.format('%.0f', now))
return now
