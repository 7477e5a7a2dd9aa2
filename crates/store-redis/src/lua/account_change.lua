-- Changes some fields of an account, if it has the expected id and its fields have the expected values.
--
-- Atomic: the comparison and the write cannot be separated, so a late rehash never overwrites a new
-- password. Only the named fields are written, so concurrent changes of other fields are not undone.
-- The id is compared because the key can have passed to another account.
--
-- KEYS[1]: the account
-- ARGV: id, the number of expected values, then for each of them and for each change the field, '1'
--       if it has a value, and that value
-- Result: 1 if the condition held, even if the values are the same; otherwise 0.

if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then
  return 0
end
local changes = 3 + 3 * tonumber(ARGV[2])
for i = 3, changes - 1, 3 do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if (ARGV[i + 1] == '1' and ARGV[i + 2] or false) ~= value then
    return 0
  end
end
for i = changes, #ARGV, 3 do
  if ARGV[i + 1] == '1' then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  else
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return 1
