// SPDX-License-Identifier: MIT

import io.lettuce.core.ClientOptions;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.cluster.api.async.RedisClusterAsyncCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.ProtocolKeyword;
import io.lettuce.core.protocol.ProtocolVersion;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;

/** The conversation in Java, with Lettuce. */
final class LettuceTalk implements Talk.Library {
    private final RedisClusterAsyncCommands<byte[], byte[]> commands;
    private final StatefulRedisConnection<byte[], byte[]> connection; // null in a cluster

    private LettuceTalk(RedisClusterAsyncCommands<byte[], byte[]> commands, StatefulRedisConnection<byte[], byte[]> connection) {
        this.commands = commands;
        this.connection = connection;
    }

    /** A command that Lettuce has no name for. */
    private record Name(byte[] getBytes) implements ProtocolKeyword {
        @Override
        public String toString() {
            return Talk.text(getBytes);
        }
    }

    /** A command that was sent, and what its reply is read into. */
    private record Sent(RedisFuture<List<Object>> reply, AnyOutput output) {
        Object heard() throws Exception {
            try {
                reply.get();
            } catch (ExecutionException error) {
                if (!(error.getCause() instanceof RedisCommandExecutionException)) {
                    throw error;
                }
            }
            return plain(output.reply());
        }
    }

    static Object plain(Object reply) {
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

    /** addKey tells Lettuce the node of a cluster. */
    private Sent send(List<byte[]> words) {
        var arguments = new CommandArgs<>(ByteArrayCodec.INSTANCE);
        if (words.size() > 1) {
            arguments.addKey(words.get(1));
        }
        words.stream().skip(2).forEach(arguments::add);
        AnyOutput output = new AnyOutput();
        return new Sent(commands.dispatch(new Name(words.get(0)), output, arguments), output);
    }

    @Override
    public Object ask(List<byte[]> words) throws Exception {
        return send(words).heard();
    }

    /** What is sent without waiting goes out together. */
    @Override
    public Object pipeline(List<List<byte[]>> commands) throws Exception {
        List<Object> replies = new ArrayList<>();
        for (Sent sent : commands.stream().map(this::send).toList()) {
            replies.add(sent.heard());
        }
        return replies;
    }

    @Override
    public Object transaction(List<List<byte[]>> commands) throws Exception {
        connection.sync().multi();
        List<Sent> sent = commands.stream().map(this::send).toList();
        connection.sync().exec();
        List<Object> replies = new ArrayList<>();
        for (Sent one : sent) {
            replies.add(one.heard());
        }
        return replies;
    }

    private static Talk.Library connect(int port, String mode) {
        RedisURI address = RedisURI.create("127.0.0.1", port);
        if (mode.equals("cluster")) {
            var cluster = RedisClusterClient.create(address).connect(ByteArrayCodec.INSTANCE);
            return new LettuceTalk(cluster.async(), null);
        }
        var options = ClientOptions.builder();
        if (mode.equals("2")) {
            options.protocolVersion(ProtocolVersion.RESP2);
        } else if (mode.equals("default")) {
            options.timeoutOptions(io.lettuce.core.TimeoutOptions.enabled(Talk.PATIENCE));
        } else if (mode.equals("once")) {
            options.timeoutOptions(io.lettuce.core.TimeoutOptions.enabled(Talk.PATIENCE));
            options.autoReconnect(false);
        }
        RedisClient client = RedisClient.create(address);
        client.setOptions(options.build());
        var connection = client.connect(ByteArrayCodec.INSTANCE);
        return new LettuceTalk(connection.async(), connection);
    }

    public static void main(String[] arguments) throws Exception {
        Talk.run(arguments, LettuceTalk::connect);
    }
}
