-- Keeps a new session, unless its name is taken.
--
-- ARGV: the end of the idle lifetime, the end of the absolute one, then the fields of the record
--       as name, value, name, value, …
-- Answer: nothing if it was kept. Else the status index of the session that is there, or '' if it
--         has none: nothing changed.

if redis.call('EXISTS', KEY) == 1 then
  return redis.call('HGET', KEY, 'status') or ''
end
redis.call('HSET', KEY, unpack(ARGV, 3))
keep(ARGV[1], ARGV[2])
return false
