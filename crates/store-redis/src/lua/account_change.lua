-- Changes one field of an account, if the account has the expected id and, where required, the field
-- has the expected value.
--
-- Atomic: the comparison and the write cannot be separated, so a late rehash never overwrites a new
-- password. Only one field is written, so concurrent changes of other fields are not undone. The id
-- is compared because the login can have passed to another account.
--
-- KEYS[1]: the account
-- ARGV: id, field, '1' if the field must have the following value, that value, '1' if the field is
--       set to the following value, that value. Otherwise the field is removed.
-- Result: 1 if the condition held, even if the value is the same; otherwise 0.

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
