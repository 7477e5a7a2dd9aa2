-- Claims a status index for a session that is about to be inserted, unless another session has it.
--
-- A claim contains its session and the time at which it was made, by the server's clock. A claim of
-- the same session is renewed. A claim of another session is replaced only if it is, byte by byte,
-- the one that the caller has found to be abandoned, so a claim that was renewed in between is kept.
--
-- Atomic: of concurrent claims of one index exactly one succeeds. The claim and the session are on
-- different nodes of a Cluster, so one script cannot cover both. The caller claims first and inserts
-- afterwards; a crash in between leaves an abandoned claim, never two sessions with one index.
--
-- KEYS[1]: the claim
-- ARGV: session, the end of its absolute lifetime, the claim that may be replaced or ''
-- Result: nil if the session has the index now. Otherwise the existing claim, if it is old enough to
--         be abandoned; or '' if its session may be about to be inserted. An hour is far longer than
--         any insert takes, and than clocks differ.

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

-- The claim outlives the record, which can end until RETENTION after its lifetime and then stays for
-- as long again. One more day is a margin.
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
