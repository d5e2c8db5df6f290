// SPDX-License-Identifier: MIT
// Drives bucket4j on Jedis: Theirs PORT, and on standard input first the limits, a line each (capacity, refill and its
// period in milliseconds), then an empty line, then the calls: the instant in nanoseconds since 1970, and the cost.
// Prints a line for each call: 1 or 0, the tokens left, and the nanoseconds to wait.

import io.github.bucket4j.Bucket;
import io.github.bucket4j.BucketConfiguration;
import io.github.bucket4j.ConsumptionProbe;
import io.github.bucket4j.TimeMeter;
import io.github.bucket4j.redis.jedis.Bucket4jJedis;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import redis.clients.jedis.JedisPool;

public class Theirs {
  private static long now;

  private static final TimeMeter CLOCK = new TimeMeter() {
    @Override
    public long currentTimeNanos() {
      return now;
    }

    @Override
    public boolean isWallClockBased() {
      return true;
    }
  };

  private static BucketConfiguration configuration(BufferedReader input) throws Exception {
    var builder = BucketConfiguration.builder();
    for (String line = input.readLine(); !line.isEmpty(); line = input.readLine()) {
      String[] words = line.split(" ");
      Duration period = Duration.ofMillis(Long.parseLong(words[2]));
      builder.addLimit(
          limit -> limit.capacity(Long.parseLong(words[0])).refillGreedy(Long.parseLong(words[1]), period));
    }
    return builder.build();
  }

  public static void main(String[] arguments) throws Exception {
    var input = new BufferedReader(new InputStreamReader(System.in));
    BucketConfiguration limits = configuration(input);
    try (var pool = new JedisPool("127.0.0.1", Integer.parseInt(arguments[0]))) {
      var manager = Bucket4jJedis.casBasedBuilder(pool).clientClock(CLOCK).build();
      Bucket bucket = null;
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        String[] words = line.split(" ");
        now = Long.parseLong(words[0]);
        if (bucket == null) bucket = manager.builder().build("theirs".getBytes(), () -> limits);
        ConsumptionProbe probe = bucket.tryConsumeAndReturnRemaining(Long.parseLong(words[1]));
        System.out.println((probe.isConsumed() ? 1 : 0) + " " + probe.getRemainingTokens() + " "
            + probe.getNanosToWaitForRefill());
      }
    }
  }
}
