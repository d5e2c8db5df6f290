// SPDX-License-Identifier: MIT

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.redisson.Redisson;
import org.redisson.api.BatchOptions;
import org.redisson.api.RFuture;
import org.redisson.api.RScript;
import org.redisson.api.RScriptAsync;
import org.redisson.api.RedissonClient;
import org.redisson.client.RedisException;
import org.redisson.client.codec.ByteArrayCodec;
import org.redisson.config.Config;
import org.redisson.config.NameMapper;
import org.redisson.config.Protocol;

/** The conversation in Java, with Redisson, which sends a command by a script of one line. */
final class RedissonTalk implements Talk.Library {
    private static final String CALL = "local words = {ARGV[1], KEYS[1], unpack(ARGV, 2)} return {redis.call(unpack(words))}";

    private static final NameMapper PREFIX = new NameMapper() {
        @Override
        public String map(String name) {
            return "app:" + name;
        }

        @Override
        public String unmap(String name) {
            return name.substring("app:".length());
        }
    };

    private final RedissonClient redisson;

    private RedissonTalk(RedissonClient redisson) {
        this.redisson = redisson;
    }

    /** The server and Redisson add to the text of an error: the script, the connection, the command. */
    private static Object refused(Throwable error) {
        return Talk.refusal(error.getMessage().split("( script: |\\. channel: )")[0]);
    }

    private static Object plain(Object reply) {
        if (reply instanceof byte[] bytes) {
            return Talk.text(bytes);
        }
        if (!(reply instanceof List<?> list)) {
            return reply;
        }
        List<Object> plain = new ArrayList<>();
        list.forEach(element -> plain.add(plain(element)));
        return plain;
    }

    private static Object only(Object list) {
        return plain(((List<?>) list).get(0));
    }

    /** The script makes a list of any reply: Redisson must be told the shape. */
    private static RFuture<Object> send(RScriptAsync script, List<byte[]> words) {
        List<Object> keys = new ArrayList<>();
        List<Object> arguments = new ArrayList<>(words);
        if (words.size() > 1) {
            keys.add(Talk.text(words.get(1)));
            arguments.remove(1);
        }
        return script.evalAsync(RScript.Mode.READ_WRITE, CALL, RScript.ReturnType.LIST, keys, arguments.toArray());
    }

    @Override
    public Object ask(List<byte[]> words) throws Exception {
        try {
            return only(send(redisson.getScript(ByteArrayCodec.INSTANCE), words).get());
        } catch (ExecutionException error) {
            if (error.getCause() instanceof RedisException refused && refused.getMessage().contains("@user_script")) {
                return refused(refused);
            }
            throw error;
        }
    }

    private Object together(BatchOptions.ExecutionMode mode, List<List<byte[]>> commands) {
        var batch = redisson.createBatch(BatchOptions.defaults().executionMode(mode));
        List<RFuture<Object>> sent = commands.stream().map(words -> send(batch.getScript(ByteArrayCodec.INSTANCE), words)).toList();
        try {
            batch.execute();
        } catch (RedisException error) {
            if (mode == BatchOptions.ExecutionMode.REDIS_WRITE_ATOMIC) {
                return refused(error); // some of the futures never end
            }
        }
        List<Object> replies = new ArrayList<>();
        for (RFuture<Object> future : sent) {
            try {
                replies.add(only(future.toCompletableFuture().join()));
            } catch (CompletionException error) {
                replies.add(refused(error.getCause()));
            }
        }
        return replies;
    }

    @Override
    public Object pipeline(List<List<byte[]>> commands) {
        return together(BatchOptions.ExecutionMode.IN_MEMORY, commands);
    }

    @Override
    public Object transaction(List<List<byte[]>> commands) {
        return together(BatchOptions.ExecutionMode.REDIS_WRITE_ATOMIC, commands);
    }

    private static Talk.Library connect(int port, String mode) {
        Config config = new Config();
        String address = "redis://127.0.0.1:" + port;
        if (mode.equals("prefix")) {
            config.setNameMapper(PREFIX);
        }
        if (mode.equals("cluster")) {
            config.useClusterServers().addNodeAddress(address);
            return new RedissonTalk(Redisson.create(config));
        }
        config.setProtocol(mode.equals("3") ? Protocol.RESP3 : Protocol.RESP2);
        var server = config.useSingleServer().setAddress(address).setConnectionMinimumIdleSize(1).setConnectionPoolSize(2);
        if (mode.equals("default") || mode.equals("once")) {
            server.setTimeout((int) Talk.PATIENCE.toMillis());
        }
        if (mode.equals("once")) {
            server.setRetryAttempts(0);
        }
        return new RedissonTalk(Redisson.create(config));
    }

    public static void main(String[] arguments) throws Exception {
        Talk.run(arguments, RedissonTalk::connect);
    }
}
