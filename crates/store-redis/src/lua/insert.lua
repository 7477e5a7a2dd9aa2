-- Inserts a new session, unless its id is taken.
--
-- Atomic: of concurrent inserts with one id exactly one succeeds, and the record never exists
-- without its expiry.
--
-- ARGV: the end of the idle lifetime, the end of the absolute lifetime, then the fields of the
--       record as name, value, name, value, …
-- Result: nil if it was inserted. Otherwise nothing has changed, and the result is the status index
--         of the existing session, or '' if it has none.

if redis.call('EXISTS', KEY) == 1 then
  return redis.call('HGET', KEY, 'status') or ''
end
redis.call('HSET', KEY, unpack(ARGV, 3))
set_expiry(ARGV[1], ARGV[2])
return false
