// SPDX-License-Identifier: MIT

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.reflect.TypeToken;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * A conversation with a server: PROGRAM conversation.json PORT MODE. Prints JSON. test_conversation.py says what the
 * modes are.
 */
final class Talk {
    /** How long a program waits for a reply in the modes "default" and "once"; longer than to connect again. */
    static final Duration PATIENCE = Duration.ofSeconds(3);

    /** What a program makes of a library. An error of the server is a reply: refusal(). */
    interface Library {
        Object ask(List<byte[]> words) throws Exception;

        Object pipeline(List<List<byte[]>> commands) throws Exception;

        Object transaction(List<List<byte[]>> commands) throws Exception;
    }

    interface Connect {
        Library to(int port, String mode) throws Exception;
    }

    private record Step(String command, List<String> pipeline, List<String> transaction) {}

    static Object refusal(String text) {
        return Map.of("error", text);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static List<byte[]> words(String line) {
        List<byte[]> found = new ArrayList<>();
        for (String word : line.split(" ")) {
            found.add(word.startsWith("hex:") ? HexFormat.of().parseHex(word.substring(4)) : bytes(word));
        }
        return found;
    }

    private static Object converse(Library library, Step step) throws Exception {
        if (step.command != null) {
            return library.ask(words(step.command));
        }
        if (step.pipeline != null) {
            return library.pipeline(step.pipeline.stream().map(Talk::words).toList());
        }
        return library.transaction(step.transaction.stream().map(Talk::words).toList());
    }

    /** Only where connections are broken on purpose, an error that the server did not send is heard too. */
    private static Object hear(Library library, Step step, String mode) throws Exception {
        try {
            return converse(library, step);
        } catch (Exception error) {
            if (!mode.equals("default") && !mode.equals("once")) {
                throw error;
            }
            return refusal(String.valueOf(error.getMessage()));
        }
    }

    static void run(String[] arguments, Connect connect) throws Exception {
        String mode = arguments[2];
        Library library = connect.to(Integer.parseInt(arguments[1]), mode);
        Gson gson = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();
        String conversation = Files.readString(Path.of(arguments[0]));
        List<Step> steps = gson.fromJson(conversation, new TypeToken<List<Step>>() {});
        List<Object> heard = new ArrayList<>();
        for (Step step : steps) {
            heard.add(hear(library, step, mode));
        }
        System.out.write(bytes(gson.toJson(heard)));
        System.out.flush();
        System.exit(0);
    }

    private Talk() {}
}
