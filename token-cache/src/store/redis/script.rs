//! What the server runs. Each script touches one key, `KEYS[1]`.

use redis::Script;

/// Extends the time to live of a sliding entry to the earlier of its window and
/// its absolute end; `now` and both ends in .NET ticks. Answers whether the
/// entry still stands at `now`.
const TOUCH: &str = "
local function touch(key, now, absexp, sldexp)
  local absolute, sliding = tonumber(absexp or -1), tonumber(sldexp or -1)
  if absolute ~= -1 and absolute <= now then return false end
  if sliding ~= -1 then
    if absolute ~= -1 then sliding = math.min(sliding, absolute - now) end
    redis.call('EXPIRE', key, math.floor(sliding / 1e7))
  end
  return true
end
";

/// `ARGV`: now.
const REFRESH: &str = "
local entry = redis.call('HMGET', KEYS[1], 'absexp', 'sldexp')
if entry[1] or entry[2] then touch(KEYS[1], tonumber(ARGV[1]), entry[1], entry[2]) end
";

/// Writes an entry whole: a time to live that an earlier one had goes, which
/// `HSET` alone would leave. An entry that is over is not kept.
const PUT: &str = "
local function put(key, absexp, sldexp, ttl, data)
  if ttl == '0' then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'absexp', absexp, 'sldexp', sldexp, 'data', data)
    if ttl == '-1' then redis.call('PERSIST', key) else redis.call('EXPIRE', key, ttl) end
  end
end
";

/// `ARGV`: absexp, sldexp, time to live in seconds or -1, data.
const SET: &str = "put(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])";

const REMOVE: &str = "redis.call('DEL', KEYS[1])";

/// The data that stands at `now`, or nothing.
const STANDING: &str = "
local function standing(key, now)
  local entry = redis.call('HMGET', key, 'absexp', 'data')
  local absolute = tonumber(entry[1] or -1)
  if absolute ~= -1 and absolute <= tonumber(now) then return false end
  return entry[2]
end
";

/// `ARGV`: version expected or nothing, now, and what `SET` takes. A version is
/// the SHA-1 of the data. Data that stands already is as good as put: a call
/// made twice because its answer was lost is no conflict.
const SET_IF: &str = "
local data = standing(KEYS[1], ARGV[2])
local version = data and redis.sha1hex(data) or ''
if version ~= ARGV[1] and data ~= ARGV[6] then return 0 end
put(KEYS[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
return 1
";

/// `ARGV`: version expected, now.
const REMOVE_IF: &str = "
local data = standing(KEYS[1], ARGV[2])
if data and redis.sha1hex(data) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
";

/// The scripts with their hashes, by which the server knows them.
pub(super) struct Scripts {
    pub(super) set: Script,
    pub(super) refresh: Script,
    pub(super) remove: Script,
    pub(super) set_if: Script,
    pub(super) remove_if: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let script = |parts: &[&str]| Script::new(&parts.concat());
        Self {
            set: script(&[PUT, SET]),
            refresh: script(&[TOUCH, REFRESH]),
            remove: script(&[REMOVE]),
            set_if: script(&[STANDING, PUT, SET_IF]),
            remove_if: script(&[STANDING, REMOVE_IF]),
        }
    }
}
