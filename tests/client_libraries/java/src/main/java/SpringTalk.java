// SPDX-License-Identifier: MIT

import io.lettuce.core.ClientOptions;
import io.lettuce.core.protocol.ProtocolVersion;
import java.util.List;
import org.springframework.dao.DataAccessException;
import org.springframework.data.redis.connection.RedisPipelineException;
import org.springframework.data.redis.connection.RedisStandaloneConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceClientConfiguration;
import org.springframework.data.redis.connection.lettuce.LettuceConnection;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;

/** The conversation in Java, with Spring Data Redis on Lettuce. */
final class SpringTalk implements Talk.Library {
    private final LettuceConnection connection;

    private SpringTalk(LettuceConnection connection) {
        this.connection = connection;
    }

    /** The reply is read from the output: what Spring returns for a pipeline or a transaction has another shape. */
    private AnyOutput send(List<byte[]> words) {
        byte[][] arguments = words.subList(1, words.size()).toArray(byte[][]::new);
        AnyOutput output = new AnyOutput();
        try {
            connection.execute(Talk.text(words.get(0)), output, arguments);
        } catch (DataAccessException error) {
            if (!output.hasError()) {
                throw error;
            }
        }
        return output;
    }

    private static Object heard(List<AnyOutput> outputs) {
        return LettuceTalk.plain(outputs.stream().map(AnyOutput::reply).toList());
    }

    @Override
    public Object ask(List<byte[]> words) {
        return LettuceTalk.plain(send(words).reply());
    }

    /** closePipeline throws at the first command that failed, before the replies of the others are there. */
    @Override
    public Object pipeline(List<List<byte[]>> commands) {
        connection.openPipeline();
        List<AnyOutput> outputs = commands.stream().map(this::send).toList();
        try {
            connection.closePipeline();
        } catch (RedisPipelineException error) {
            connection.ping(); // replies of a connection come in order: when this one is there, all are
        }
        return heard(outputs);
    }

    /** exec throws if a command failed; the others were carried out. */
    @Override
    public Object transaction(List<List<byte[]>> commands) {
        connection.multi();
        List<AnyOutput> outputs = commands.stream().map(this::send).toList();
        try {
            connection.exec();
        } catch (DataAccessException error) {
            // the output of that command has it
        }
        return heard(outputs);
    }

    private static Talk.Library connect(int port, String mode) {
        var options = ClientOptions.builder();
        var client = LettuceClientConfiguration.builder();
        if (mode.equals("2")) {
            options.protocolVersion(ProtocolVersion.RESP2);
        } else if (mode.equals("default") || mode.equals("once")) {
            client.commandTimeout(Talk.PATIENCE);
        }
        if (mode.equals("once")) {
            options.autoReconnect(false);
        }
        var server = new RedisStandaloneConfiguration("127.0.0.1", port);
        var factory = new LettuceConnectionFactory(server, client.clientOptions(options.build()).build());
        factory.setShareNativeConnection(false); // else a pipeline has a connection of its own, and a ping another
        factory.afterPropertiesSet();
        factory.start();
        return new SpringTalk((LettuceConnection) factory.getConnection());
    }

    public static void main(String[] arguments) throws Exception {
        Talk.run(arguments, SpringTalk::connect);
    }
}
