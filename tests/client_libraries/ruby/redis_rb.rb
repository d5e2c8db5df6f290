# SPDX-License-Identifier: MIT
# The conversation in Ruby, with redis-rb: redis_rb.rb conversation.json PORT MODE. Prints JSON. test_conversation.py
# says what the modes are.

require "json"
require "redis"

def words(line)
  line.split(" ").map { |word| word.start_with?("hex:") ? [word[4..]].pack("H*") : word }
end

def fill(batch, lines)
  lines.each { |line| batch.call(*words(line)) }
end

def plain
  yield
rescue Redis::CommandError => error
  { error: error.message }
end

# A pipeline or a transaction gives its replies, or raises its first error.
def converse(redis, step)
  case step
  in { command: line } then plain { redis.call(*words(line)) }
  in { pipeline: lines } then plain { redis.pipelined { |pipeline| fill(pipeline, lines) } }
  in { transaction: lines } then plain { redis.multi { |transaction| fill(transaction, lines) } }
  end
end

# Only where connections are broken on purpose, an error that the server did not send is heard too.
def hear(redis, step, mode)
  converse(redis, step)
rescue Redis::BaseError => error
  raise unless %w[default once].include?(mode)

  { error: error.message }
end

OPTIONS = { "default" => { read_timeout: 0.5 }, "once" => { read_timeout: 0.5, reconnect_attempts: 0 } }.freeze

conversation, port, mode = ARGV
address = { host: "127.0.0.1", port: port.to_i }
redis = mode == "cluster" ? Redis.new(cluster: [address]) : Redis.new(**address, **OPTIONS.fetch(mode, {}))
redis.call("HELLO", mode) if mode == "3" # redis-rb 4 has no option for it
steps = JSON.parse(File.read(conversation), symbolize_names: true)
puts JSON.generate(steps.map { |step| hear(redis, step, mode) })
