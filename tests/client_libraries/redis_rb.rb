# SPDX-License-Identifier: MIT
# The conversation in Ruby, with redis-rb: redis_rb.rb conversation.json SOCKET PROTOCOL. Prints JSON.

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

conversation, socket, protocol = ARGV
redis = Redis.new(path: socket)
redis.call("HELLO", protocol) if protocol != "2" # redis-rb 4 has no option for it
steps = JSON.parse(File.read(conversation), symbolize_names: true)
puts JSON.generate(steps.map { |step| converse(redis, step) })
