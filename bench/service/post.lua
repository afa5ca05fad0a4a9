-- wrk posts the file that the first argument names, with the headers of the others, and tells its summary as JSON.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method, wrk.body = "POST", file:read("*a")
  file:close()
  for i = 2, #args do
    local name, value = args[i]:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local form = '{"requests": %d, "seconds": %.6f, "p50": %.9f, "p99": %.9f, "failed": %d}\n'
  local p50, p99 = latency:percentile(50) / 1e6, latency:percentile(99) / 1e6
  io.write(form:format(summary.requests, summary.duration / 1e6, p50, p99, failed))
end
