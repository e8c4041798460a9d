-- wrk's script: posts the messages of a file, one a line, in turn, and prints its figures as JSON.
local messages = {}
local sent = 0

function init(arguments)
   for line in io.lines(arguments[1]) do
      messages[#messages + 1] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, line)
   end
end

function request()
   sent = sent + 1
   return messages[(sent - 1) % #messages + 1]
end

-- Latencies come in microseconds.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "failed": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
