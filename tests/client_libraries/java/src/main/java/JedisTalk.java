// SPDX-License-Identifier: MIT

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.CommandArguments;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisClusterClient;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.util.KeyValue;

/** The conversation in Java, with Jedis. */
final class JedisTalk implements Talk.Library {
    private final UnifiedJedis jedis;

    private JedisTalk(UnifiedJedis jedis) {
        this.jedis = jedis;
    }

    private static Object plain(Object reply) {
        if (reply instanceof JedisDataException error) {
            return Talk.refusal(error.getMessage());
        }
        if (reply instanceof byte[] bytes) {
            return Talk.text(bytes);
        }
        if (!(reply instanceof List<?> list)) {
            return reply;
        }
        if (!list.isEmpty() && list.get(0) instanceof KeyValue) { // a map of RESP3
            Map<Object, Object> map = new HashMap<>();
            list.forEach(pair -> map.put(plain(((KeyValue<?, ?>) pair).getKey()), plain(((KeyValue<?, ?>) pair).getValue())));
            return map;
        }
        List<Object> plain = new ArrayList<>();
        list.forEach(element -> plain.add(plain(element)));
        return plain;
    }

    /** The command with its key, which tells Jedis the node of a cluster, and what a prefix is for. */
    private static CommandArguments command(List<byte[]> words) {
        CommandArguments command = new CommandArguments(() -> words.get(0));
        if (words.size() > 1) {
            command.key(words.get(1));
        }
        words.stream().skip(2).forEach(command::add);
        return command;
    }

    @Override
    public Object ask(List<byte[]> words) {
        try {
            return plain(jedis.executeCommand(command(words)));
        } catch (JedisDataException error) {
            return plain(error);
        }
    }

    @Override
    public Object pipeline(List<List<byte[]>> commands) {
        try (Pipeline pipeline = (Pipeline) jedis.pipelined()) {
            commands.forEach(words -> pipeline.sendCommand(command(words)));
            return plain(pipeline.syncAndReturnAll());
        }
    }

    @Override
    public Object transaction(List<List<byte[]>> commands) {
        try (AbstractTransaction transaction = jedis.multi()) {
            commands.forEach(words -> transaction.sendCommand(command(words)));
            return plain(transaction.exec());
        }
    }

    private static Talk.Library connect(int port, String mode) {
        HostAndPort address = new HostAndPort("127.0.0.1", port);
        if (mode.equals("cluster")) {
            return new JedisTalk(RedisClusterClient.create(Set.of(address)));
        }
        var config = DefaultJedisClientConfig.builder();
        if (mode.equals("2")) {
            config.resp2();
        } else if (mode.equals("3")) {
            config.resp3();
        } else if (mode.equals("default") || mode.equals("once")) {
            config.socketTimeoutMillis((int) Talk.PATIENCE.toMillis());
        }
        var client = RedisClient.builder().hostAndPort(address).clientConfig(config.build());
        if (mode.equals("prefix")) {
            client.keyPreProcessor(new redis.clients.jedis.util.PrefixedKeyArgumentPreProcessor("app:"));
        }
        return new JedisTalk(client.build());
    }

    public static void main(String[] arguments) throws Exception {
        Talk.run(arguments, JedisTalk::connect);
    }
}
