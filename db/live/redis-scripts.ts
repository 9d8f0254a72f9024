/**
 * What must happen at once in Redis, as Lua. Times come from the server's clock. Keys are given, never made up, but for the
 * pieces of the log, whose keys are all in KEYS too.
 */

const nowMs = `local t = redis.call('TIME') local now = t[1] * 1000 + t[2] / 1000 `;

/**
 * KEYS: bucket, and perhaps what a one-use value is put under when granted. ARGV: burst, tokens per second, cost, longest wait, that
 * value, its life in ms. Gives the wait in ms, 0 when granted.
 */
export const takeTokens = `${nowMs}
local burst, perSecond, cost, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local has = burst
if known[1] then
  has = math.min(burst, tonumber(known[1]) + math.max(0, now - tonumber(known[2])) / 1000 * perSecond)
end
local wait = 0
if has >= cost then
  has = math.min(burst, has - cost)
elseif perSecond <= 0 then
  wait = longest
else
  wait = math.min(longest, math.max(1, math.ceil((cost - has) / perSecond * 1000)))
end
-- Redis makes text of numbers with too few digits by itself.
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', has), 'at', string.format('%.17g', now))
local full = longest
if perSecond > 0 then full = math.min(longest, burst / perSecond * 1000) end
redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil(full)))
if KEYS[2] and wait == 0 then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6]) end
return wait`;

/**
 * KEYS: one log for each generation. ARGV: life in ms of a log that nobody drops, then for each piece: index of its key (from
 * 1), epoch, seq (-1 only notes the epoch), and 'offset:text'. Gives the indexes of the refused, and of the lost: those
 * without the piece before.
 * A log is a hash: 'epoch' the highest, and seq → 'epoch:offset:text'.
 */
export const appendLog = `
local epochs, refused, lost, isNoted = {}, {}, {}, {}
for i = 1, #KEYS do epochs[i] = tonumber(redis.call('HGET', KEYS[i], 'epoch') or -1) end
for at = 2, #ARGV, 4 do
  local index, epoch = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if epoch > epochs[index] then
    redis.call('HSET', KEYS[index], 'epoch', epoch)
    if epochs[index] == -1 then redis.call('PEXPIRE', KEYS[index], ARGV[1]) end
    epochs[index] = epoch
  end
end
for at = 2, #ARGV, 4 do
  local index, epoch, seq = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  if epoch < epochs[index] then
    if not isNoted[index] then refused[#refused + 1] = index end
    isNoted[index] = true
  elseif tonumber(seq) > 0 and redis.call('HEXISTS', KEYS[index], tonumber(seq) - 1) == 0 then
    if not isNoted[index] then lost[#lost + 1] = index end
    isNoted[index] = true
  elseif seq ~= '-1' then
    local value = ARGV[at + 1] .. ':' .. ARGV[at + 3]
    -- A piece again is the same piece; one of a newer owner replaces what an older one had written there.
    if redis.call('HSETNX', KEYS[index], seq, value) == 0 then
      local known = redis.call('HGET', KEYS[index], seq)
      if tonumber(string.match(known, '^%d+')) < epoch then redis.call('HSET', KEYS[index], seq, value) end
    end
  end
end
return {refused, lost}`;

/** KEYS: lease. ARGV: owner, ttl, how long an ended lease keeps its epoch. Gives the epoch, or nil. */
export const acquireLease = `${nowMs}
local known = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until')
local epoch = tonumber(known[2] or 0)
if known[1] ~= ARGV[1] then
  if known[1] and known[1] ~= '' and tonumber(known[3]) > now then return nil end
  epoch = epoch + 1
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', epoch, 'until', string.format('%.17g', now + tonumber(ARGV[2])))
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[2]) + tonumber(ARGV[3])))
return epoch`;

/** KEYS: lease. ARGV: heir, ttl, how long an ended lease keeps its epoch. Gives the epoch, or nil. */
export const inheritLease = `${nowMs}
local known = redis.call('HMGET', KEYS[1], 'epoch', 'until')
if known[2] and tonumber(known[2]) > now then return nil end
local owner, epoch = ARGV[1], tonumber(known[1] or 0) + 1
-- Unknown: nobody's, until its owner has had time to take it again.
if not known[2] then owner, epoch = '', 0 end
redis.call('HSET', KEYS[1], 'owner', owner, 'epoch', epoch, 'until', string.format('%.17g', now + tonumber(ARGV[2])))
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[2]) + tonumber(ARGV[3])))
if owner == '' then return nil end
return epoch`;

/** KEYS: leases. ARGV: owner, ttl, how long an ended lease keeps its epoch. Gives the indexes of the lost. */
export const renewLeases = `${nowMs}
local lost = {}
for i = 1, #KEYS do
  if redis.call('HGET', KEYS[i], 'owner') == ARGV[1] then
    redis.call('HSET', KEYS[i], 'until', string.format('%.17g', now + tonumber(ARGV[2])))
    redis.call('PEXPIRE', KEYS[i], math.ceil(tonumber(ARGV[2]) + tonumber(ARGV[3])))
  else
    lost[#lost + 1] = i
  end
end
return lost`;

/** KEYS: lease. ARGV: owner. The epoch stays. */
export const releaseLease = `
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('HSET', KEYS[1], 'owner', '', 'until', 0) end
return 0`;

/** KEYS: session, the user's index. ARGV: value, ttl, session id. The index is ordered by end of life. */
export const putSession = `${nowMs}
redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(1, ARGV[2]))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[3])
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[2], math.ceil(tonumber(last[2])))
return 0`;

/** KEYS: the user's index. Gives the ids of living sessions. */
export const listSessions = `${nowMs}
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.17g', now), '+inf')`;

/** Of a user's presence, gateway → 'connections:until': the number of all living gateways, and no trace of the others. */
const sumPresence = `
local function sum(key, now)
  local said, total = redis.call('HGETALL', key), 0
  for i = 1, #said, 2 do
    local connections, till = string.match(said[i + 1], '^(%d+):(.+)$')
    if tonumber(till) > now then total = total + tonumber(connections) else redis.call('HDEL', key, said[i]) end
  end
  return total
end `;

/** KEYS: the user's presence. Gives the number of all living gateways. */
export const countPresence = `${nowMs}${sumPresence}
return sum(KEYS[1], now)`;

/** KEYS: presences of users. ARGV: gateway, ttl, its connections of each. Gives the numbers of all living gateways. */
export const setPresence = `${nowMs}${sumPresence}
local life, totals = math.ceil(tonumber(ARGV[2])), {}
local till = string.format('%.17g', now + tonumber(ARGV[2]))
for i = 1, #KEYS do
  local connections = ARGV[i + 2]
  if connections == '0' then
    redis.call('HDEL', KEYS[i], ARGV[1])
  else
    redis.call('HSET', KEYS[i], ARGV[1], connections .. ':' .. till)
    redis.call('PEXPIRE', KEYS[i], life, 'NX')
    redis.call('PEXPIRE', KEYS[i], life, 'GT')
  end
  totals[i] = sum(KEYS[i], now)
end
return totals`;
