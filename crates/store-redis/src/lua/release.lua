-- Takes the status index away from a session that ended, if it is that index and ended then.
--
-- ARGV: index, the instant of the end
-- Answer: 'released'; or 'free' if the session hasn't this index, or is gone; or 'held' if it has,
--         but lives or ended at another instant: it is not what is known of it, and stays as it is.

local held = redis.call('HMGET', KEY, 'status', 'ended')
if held[1] ~= ARGV[1] then
  return 'free'
end
if held[2] ~= ARGV[2] then
  return 'held'
end
redis.call('HDEL', KEY, 'status')
return 'released'
