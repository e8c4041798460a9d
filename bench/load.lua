-- wrk's script: posts the messages of a file, one a line, in turn, and prints its figures as JSON.
-- Each of wrk's threads has an address of its own, of those in BENCH_ADDRESSES, and its share of the messages.
local messages = {}
local addresses = {}
local threads = 0
local at = 0

for host, port in os.getenv("BENCH_ADDRESSES"):gmatch("(%S+):(%d+)") do
   addresses[#addresses + 1] = wrk.lookup(host, port)[1]
end

function setup(thread)
   threads = threads + 1
   thread.addr = addresses[threads]
   thread:set("first", threads)
   thread:set("step", #addresses)
end

function init(arguments)
   for line in io.lines(arguments[1]) do
      messages[#messages + 1] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, line)
   end
   at = first - step
end

function request()
   at = at + step
   return messages[(at - 1) % #messages + 1]
end

-- Latencies come in microseconds.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "failed": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
