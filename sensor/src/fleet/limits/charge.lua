-- Charges limits of principals for all hosts of a fleet: the generic cell rate algorithm, virtual scheduling form.
-- KEYS: limits. ARGV: for each of them what is spent, what a request costs, and what may be spent at once, in microseconds.
-- Returns for each of them whether more was spent than conforms, what is left, and how long until a request conforms again.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local answers = {}
for number, key in ipairs(KEYS) do
  local spent = tonumber(ARGV[number * 3 - 2])
  local each = tonumber(ARGV[number * 3 - 1])
  local depth = tonumber(ARGV[number * 3])
  local arrival = tonumber(redis.call('GET', key) or now)
  local ahead = math.min(math.max(arrival - now, 0), depth)
  local room = depth - ahead
  local over = spent > room
  if over then
    spent = math.floor(room / each) * each
  end
  ahead = ahead + spent
  if ahead > 0 then
    local value = string.format('%.3f', now + ahead)
    redis.call('SET', key, value, 'PX', math.ceil(ahead / 1000) + 1000)
  end
  local left = depth - ahead
  answers[#answers + 1] = over and 1 or 0
  answers[#answers + 1] = math.floor(left)
  answers[#answers + 1] = math.ceil(math.max(each - left, 0))
end
return answers
