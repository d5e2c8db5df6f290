<?php
// SPDX-License-Identifier: MIT
// The conversation in PHP, with phpredis: phpredis.php conversation.json SOCKET PROTOCOL. Prints JSON.
declare(strict_types=1);

function words(string $line): array
{
    $plain = fn (string $word) => str_starts_with($word, 'hex:') ? hex2bin(substr($word, 4)) : $word;
    return array_map($plain, explode(' ', $line));
}

// An error that begins with ERR or WRONGTYPE gives false, as null does, and a text to ask for. Others are thrown.
function ask(Redis $redis, string $line): mixed
{
    $redis->clearLastError();
    try {
        $reply = $redis->rawCommand(...words($line));
        $error = $redis->getLastError();
    } catch (RedisException $exception) {
        $error = $exception->getMessage();
    }
    return $error === null ? $reply : ['error' => $error];
}

// Here an error is false, as null is; or it is thrown, in place of all replies.
function askTogether(Redis $redis, int $mode, array $lines): array
{
    $batch = $redis->multi($mode);
    foreach ($lines as $line) {
        $batch->rawCommand(...words($line));
    }
    try {
        return $batch->exec();
    } catch (RedisException $exception) {
        return ['error' => $exception->getMessage()];
    }
}

function converse(Redis $redis, array $step): mixed
{
    return match (true) {
        isset($step['command']) => ask($redis, $step['command']),
        isset($step['pipeline']) => askTogether($redis, Redis::PIPELINE, $step['pipeline']),
        isset($step['transaction']) => askTogether($redis, Redis::MULTI, $step['transaction']),
    };
}

[, $conversation, $socket, $protocol] = $argv;
$redis = new Redis();
$redis->connect($socket);
$redis->setOption(Redis::OPT_REPLY_LITERAL, true); // OK is OK, and not true
if ($protocol !== '2') {
    $redis->rawCommand('HELLO', $protocol); // phpredis 5 has no option for it
}
$heard = [];
foreach (json_decode(file_get_contents($conversation), true) as $step) {
    $heard[] = converse($redis, $step);
}
echo json_encode($heard, JSON_THROW_ON_ERROR), "\n";
