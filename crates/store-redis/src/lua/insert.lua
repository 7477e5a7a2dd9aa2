-- Keeps a new session, unless its name is taken.
--
-- ARGV: the end of the idle lifetime, the end of the absolute one, then the fields of the record
--       as name, value, name, value, …
-- Answer: 1, or 0 if the key exists: nothing changed.

if redis.call('EXISTS', KEY) == 1 then
  return 0
end
redis.call('HSET', KEY, unpack(ARGV, 3))
keep(ARGV[1], ARGV[2])
return 1
