-- Common parts of the scripts on sessions. This file is put in front of each of them.
--
-- KEYS[1] is the session, and the only key, so the script runs on the node of its slot. Numbers are
-- passed as decimal strings. Equality is decided on the strings, because Lua numbers are doubles,
-- which are exact only up to 2^53. The order of two times may be decided on doubles.

local KEY = KEYS[1]

-- How long a record outlives its last refresh token, in milliseconds: RETENTION of the core.
local RETENTION = 7 * 86400 * 1000

-- The result: the outcome, and the record after the step. The record is read in the same script,
-- so it is exactly the one that explains the outcome.
local function result(outcome)
  return {outcome, redis.call('HGETALL', KEY)}
end

-- Sets the expiry of the key: not before the record may be dropped, and not before RETENTION from
-- now, because a record that was just written may be needed again, whatever its times are. This is
-- housekeeping; the core decides what an expiry means. Nothing is changed if a time is not a number.
local function set_expiry(expires, ends)
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

-- The later of a stored time and a new one; the new one if none is stored.
local function later(stored, new)
  local known = tonumber(stored)
  if known and known > tonumber(new) then
    return stored
  end
  return new
end

-- Records a use. Before that, the last use becomes the one to show, if it was at or before
-- `visible_before` or none is stored yet. Must run before the expiry of the session changes.
local function note_use(at, visible_before)
  local held = redis.call('HMGET', KEY, 'used', 'expires', 'shown_used')
  local last = tonumber(held[1])
  if last and held[2] and (not held[3] or last <= tonumber(visible_before)) then
    redis.call('HSET', KEY, 'shown_used', held[1], 'shown_expires', held[2])
  end
  redis.call('HSET', KEY, 'used', later(held[1], at))
end

