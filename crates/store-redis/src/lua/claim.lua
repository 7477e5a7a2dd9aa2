-- Claims a status index for a session that is about to be kept, unless another session has it.
--
-- A claim says whose it is and when it was made, by the server's clock. That of the same session
-- is made anew. Another's is replaced only if it is, to the byte, the one that the caller has found
-- dead; so a claim that was made anew meanwhile isn't.
--
-- KEYS[1]: the claim
-- ARGV: session, the end of its absolute lifetime, the claim that may be replaced or ''
-- Answer: nothing if the index is the session's now. Else the claim that stands, if it is old enough
--         to be dead; or '' if its session may be on its way: a claim is made a moment before its
--         session. An hour is far longer than any insert takes, and than clocks differ.

local RETENTION = 7 * 86400 * 1000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[3] then
  local id, made = string.match(held, '^(%S+) (%d+)$')
  if id ~= ARGV[1] then
    return made and tonumber(made) + 3600 * 1000 < now and held or ''
  end
end

-- It outlives the record: which may end until RETENTION after its lifetime, and stays for as long
-- again. And a day.
local last = tonumber(ARGV[2])
if last < now then
  last = now
end
local at = last + 2 * RETENTION + 86400 * 1000
local claim = string.format('%s %.0f', ARGV[1], now)
if at < 2 ^ 53 then
  redis.call('SET', KEYS[1], claim, 'PXAT', string.format('%.0f', at))
else
  redis.call('SET', KEYS[1], claim)
end
return false
