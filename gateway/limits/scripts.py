"""The limiter's scripts. Their arithmetic is that of `domain/token_bucket.py`; a test plays both side by side.

A bucket is a hash: `h` its horizon, `d` and `q` the horizons of the two classes' shares, `p` how slow it was made and
`s` when, `u` until when it is quiet, `i` and `b` interval and burst of the limit that it was written under. The last
three are missing where an older version wrote it. Promises are sorted sets by the instant at which each ends. All keys
are in KEYS, and those of one GSP account carry its name as their hash tag, so that a Redis Cluster keeps them in one
slot. Times are whole microseconds of the server's own clock.
"""

from __future__ import annotations

from typing import Final

_COMMON: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local floor, max, min = math.floor, math.max, math.min
local function whole(value) return string.format('%.0f', value) end
local function load(key)
  local kept = redis.call('HMGET', key, 'h', 'd', 'q', 'p', 's', 'u', 'i', 'b')
  if not kept[1] then return nil end
  local b = {}
  for at, name in ipairs({'h', 'd', 'q', 'p', 's', 'u', 'i', 'b'}) do b[name] = tonumber(kept[at] or 0) end
  return b
end
local function unused() return {h = now, d = now, q = now, p = 1000, s = 0, u = 0, i = 0, b = 0} end
local function store(key, b)
  local kept = {}
  for name, value in pairs(b) do
    kept[#kept + 1] = name
    kept[#kept + 1] = whole(value)
  end
  redis.call('HSET', key, unpack(kept))
  redis.call('PEXPIRE', key, floor(max(b.h - now, b.u - now, 0) / 1000) + 86400000)
end
local function speed(b) return min(1000, b.p + floor(max(0, now - b.s) / 1000000)) end
local function under(b, interval, burst)
  if b.i == interval and b.b == burst then return false end
  if b.i > 0 then
    local all = burst * interval
    local horizon = max(b.h, min(b.u, now) + (b.b - 1) * b.i)
    local free = min(now + b.b * b.i - horizon, b.b * b.i)
    b.h = now + all - min(floor(free * interval / b.i), all)
    b.d = now + min(floor(max(0, b.d - now) * interval / b.i), all)
    b.q = now + min(floor(max(0, b.q - now) * interval / b.i), all)
  end
  b.i, b.b = interval, burst
  return true
end
local function standing(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  return redis.call('ZCARD', key)
end
"""
TAKE: Final = (
    _COMMON
    + """
-- KEYS: bucket, promises to the own class, promises to the other, for each bucket; then the account's use, by
-- slot. ARGV: own class ('d' or 'q'), its share and the other's, promise or '', who, slot seconds, slots; then interval
-- and burst of each bucket. Returns 0, or the wait when nothing was taken.
local class, share, others = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local promise, who = ARGV[4], ARGV[5]
local slots = tonumber(ARGV[7])
local count = (#KEYS - slots) / 3
local wait, found = 0, {}
for i = 1, count do
  local key, interval, burst = KEYS[3 * i - 2], tonumber(ARGV[2 * i + 6]), tonumber(ARGV[2 * i + 7])
  local b = load(key)
  if not b then
    b = unused()
    b.h = now + burst * interval
  end
  under(b, interval, burst)
  local step = floor((interval * 1000 + speed(b) - 1) / speed(b))
  local held = max(1, floor(burst * share / 100))
  local pace = floor(interval * 100 / share)
  local own, other = standing(KEYS[3 * i - 1]), standing(KEYS[3 * i])
  if promise ~= '' and redis.call('ZSCORE', KEYS[3 * i - 1], promise) then own = 0 end
  local horizon = max(b.h, b.u + (burst - 1) * interval)
  local full = horizon + own * step - now - (burst - 1) * interval
  local within = max(full, b[class] - now - (held - 1) * pace)
  local beyond = full + other * step + min(burst - 1, floor(burst * others / 100)) * interval
  wait = max(wait, min(within, beyond))
  found[i] = {bucket = b, horizon = horizon, step = step, held = held, pace = pace}
end
for i = 1, count do
  local it = found[i]
  local b = it.bucket
  if wait <= 0 then
    b.h = max(it.horizon, now) + it.step
    b[class] = min(max(b[class], now) + it.pace, now + it.held * it.pace)
    if promise ~= '' then redis.call('ZREM', KEYS[3 * i - 1], promise) end
  end
  store(KEYS[3 * i - 2], b)
end
if wait <= 0 then
  local slot = floor(now / 1000000 / tonumber(ARGV[6]))
  local used = KEYS[3 * count + slot % slots + 1]
  if redis.call('HGET', used, 'slot') ~= whole(slot) then
    redis.call('DEL', used)
    redis.call('HSET', used, 'slot', whole(slot))
  end
  redis.call('HINCRBY', used, who, 1)
  redis.call('EXPIRE', used, tonumber(ARGV[6]) * slots)
  return 0
end
return wait
"""
)
PROMISE: Final = (
    _COMMON
    + """
-- KEYS: bucket, promises to the own class, promises to the other, when each lane was served, until when each lane is
-- waited for; for each bucket. ARGV: promise or '' (then nothing is promised), its life, whose lane, how many lanes are
-- looked at; then for each bucket whether lanes meet there, its interval and its burst. Returns now, whether the
-- promise stood already, and for each bucket the promises before it, lanes that were served longer ago and wait, when
-- the own lane was served, and h, d, q, p, s, u, i and b unless it is missing.
local told = {whole(now), 0}
for i = 1, #KEYS / 5 do
  local key, mine, others, served, wanting = unpack(KEYS, 5 * i - 4, 5 * i)
  local b, own, other, earlier, before = load(key), standing(mine), standing(others), 0, '0'
  local stood = ARGV[1] ~= '' and redis.call('ZSCORE', mine, ARGV[1])
  if stood then own, told[2] = 0, 1 end
  if b and ARGV[1] ~= '' and under(b, tonumber(ARGV[3 * i + 3]), tonumber(ARGV[3 * i + 4])) then store(key, b) end
  if ARGV[3 * i + 2] == '1' then
    before = redis.call('ZSCORE', served, ARGV[3]) or '0'
    if not stood and standing(wanting) > 0 then
      for _, lane in ipairs(redis.call('ZRANGE', wanting, 0, tonumber(ARGV[4]) - 1)) do
        local at = tonumber(redis.call('ZSCORE', served, lane) or 0)
        if lane ~= ARGV[3] and at < tonumber(before) then earlier = earlier + 1 end
      end
    end
    if ARGV[1] ~= '' then
      redis.call('ZADD', served, whole(now), ARGV[3])
      redis.call('EXPIRE', served, 3600)
      redis.call('ZREM', wanting, ARGV[3])
    end
  end
  before = whole(tonumber(before))
  told[i + 2] = {own, other, earlier, before}
  if b then
    local kept = {own, other, earlier, before}
    for at, name in ipairs({'h', 'd', 'q', 'p', 's', 'u', 'i', 'b'}) do kept[at + 4] = whole(b[name]) end
    told[i + 2] = kept
  end
  if ARGV[1] ~= '' then
    redis.call('ZADD', mine, whole(now + tonumber(ARGV[2])), ARGV[1])
    redis.call('PEXPIRE', mine, floor(tonumber(ARGV[2]) / 1000) + 1000)
  end
end
return told
"""
)
DRAIN: Final = (
    _COMMON
    + """
-- KEYS: buckets. ARGV: pause, thousandths of the speed to keep, least time between two slowings.
for _, key in ipairs(KEYS) do
  local b = load(key) or unused()
  b.u = max(b.u, now + tonumber(ARGV[1]))
  if b.s == 0 or now - b.s >= tonumber(ARGV[3]) then
    b.p = max(50, floor(speed(b) * tonumber(ARGV[2]) / 1000))
    b.s = now
  end
  store(key, b)
end
return 0
"""
)
USED: Final = """
-- KEYS: the account's use, slot by slot. ARGV: slot seconds. Returns names and counts, slot by slot.
local now = math.floor(tonumber(redis.call('TIME')[1]) / tonumber(ARGV[1]))
local told = {}
for _, key in ipairs(KEYS) do
  if now - tonumber(redis.call('HGET', key, 'slot') or 0) < #KEYS then
    for _, each in ipairs(redis.call('HGETALL', key)) do told[#told + 1] = each end
  end
end
return told
"""
