<?php
// SPDX-License-Identifier: MIT
// A conversation with a server: PROGRAM conversation.json PORT MODE. Prints JSON. test_conversation.py says what the modes
// are. A program gives functions: one asks, one sends several commands together.
declare(strict_types=1);

const PATIENCE_S = 0.5; // how long to wait for a reply in the modes "default" and "once"

function words(string $line): array
{
    $plain = fn (string $word) => str_starts_with($word, 'hex:') ? hex2bin(substr($word, 4)) : $word;
    return array_map($plain, explode(' ', $line));
}

// Only where connections are broken on purpose, an error that the server did not send is heard too.
function hear(callable $ask, callable $askTogether, array $step, string $mode): mixed
{
    try {
        return isset($step['command'])
            ? $ask(words($step['command']))
            : $askTogether(array_map('words', $step['pipeline'] ?? $step['transaction']), isset($step['transaction']));
    } catch (Throwable $error) {
        if ($mode !== 'default' && $mode !== 'once') {
            throw $error;
        }
        return ['error' => $error->getMessage()];
    }
}

function run(callable $connect): void
{
    global $argv;
    [, $conversation, $port, $mode] = $argv;
    [$ask, $askTogether] = $connect((int) $port, $mode);
    $steps = json_decode(file_get_contents($conversation), true);
    $heard = array_map(fn (array $step) => hear($ask, $askTogether, $step, $mode), $steps);
    echo json_encode($heard, JSON_THROW_ON_ERROR), "\n";
}
