-- What the scripts of sessions have in common; it stands before each of them.
--
-- KEYS[1] is a session. Numbers travel as decimal strings. Equality is decided on the strings;
-- which of two times is later, on doubles, which are exact up to 2^53.

local KEY = KEYS[1]

-- How long a record outlives its last refresh token, in milliseconds: RETENTION of the core.
local RETENTION = 7 * 86400 * 1000

-- The answer: what came of the step, and the record as it now stands.
local function answer(word)
  return {word, redis.call('HGETALL', KEY)}
end

-- Lets the key expire no earlier than the record may be forgotten, and no earlier than RETENTION
-- from now: what is written was needed a moment ago, whatever its times say. This is housekeeping;
-- what an expiry means is decided elsewhere. Times that are no numbers leave everything as it is.
local function keep(expires, ends)
  local last = tonumber(expires)
  local absolute = tonumber(ends)
  if not last or not absolute then
    return
  end
  if absolute < last then
    last = absolute
  end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  if last < now then
    last = now
  end
  local at = last + RETENTION
  if at < 2 ^ 53 then
    redis.call('PEXPIREAT', KEY, string.format('%.0f', at))
  else
    redis.call('PERSIST', KEY)
  end
end

-- The later of a stored time and a new one; the new one if there is no stored one.
local function later(stored, new)
  local known = tonumber(stored)
  if known and known > tonumber(new) then
    return stored
  end
  return new
end

