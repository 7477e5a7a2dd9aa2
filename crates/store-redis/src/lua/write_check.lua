-- Shows that the server accepts writes, which a replica or a full server does not.
--
-- Atomic: the key never exists for other clients, and nothing remains of it.
--
-- Result: 'written'

redis.call('SET', KEYS[1], '')
redis.call('DEL', KEYS[1])
return 'written'
