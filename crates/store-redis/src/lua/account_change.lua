-- Changes one field of an account, if it is the one that is meant and, where that is asked, the
-- field has a certain value.
--
-- KEYS[1]: the account's record
-- ARGV: id, field, '1' if its value must be what follows, that value, '1' if it gets a new value,
--       that value. Without a new value the field is removed.
-- Answer: 1 if it was changed, be it to what it was; else 0.

if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then
  return 0
end
if ARGV[3] == '1' and redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[4] then
  return 0
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[6])
else
  redis.call('HDEL', KEYS[1], ARGV[2])
end
return 1
