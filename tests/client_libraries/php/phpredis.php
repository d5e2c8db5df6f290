<?php
// SPDX-License-Identifier: MIT
// The conversation in PHP, with phpredis.
declare(strict_types=1);

require __DIR__ . '/talk.php';

// An error that begins with ERR or WRONGTYPE gives false, as null does, and a text to ask for. Others are thrown.
function ask(Redis|RedisCluster $redis, array $words): mixed
{
    $redis->clearLastError();
    try {
        // In a cluster, the key goes first: it tells the node.
        $reply = $redis instanceof RedisCluster ? $redis->rawCommand($words[1], ...$words) : $redis->rawCommand(...$words);
        $error = $redis->getLastError();
    } catch (RedisException $exception) {
        if (!preg_match('/^[A-Z]+ /', $exception->getMessage())) {
            throw $exception;
        }
        $error = $exception->getMessage();
    }
    return $error === null ? $reply : ['error' => $error];
}

// Here an error is false, as null is; or it is thrown, in place of all replies.
function askTogether(Redis $redis, int $mode, array $commands): array
{
    $batch = $redis->multi($mode);
    foreach ($commands as $words) {
        $batch->rawCommand(...$words);
    }
    try {
        return $batch->exec();
    } catch (RedisException $exception) {
        return ['error' => $exception->getMessage()];
    }
}

function connect(int $port, string $mode): array
{
    if ($mode === 'cluster') {
        $redis = new RedisCluster(null, ["127.0.0.1:$port"]);
        return [fn (array $words) => ask($redis, $words), fn () => null];
    }
    $redis = new Redis();
    $redis->connect('127.0.0.1', $port);
    $redis->setOption(Redis::OPT_REPLY_LITERAL, true); // OK is OK, and not true
    if ($mode === '3') {
        $redis->rawCommand('HELLO', $mode); // phpredis 5 has no option for it
    } elseif ($mode === 'prefix') {
        $redis->setOption(Redis::OPT_PREFIX, 'app:');
    } elseif ($mode === 'default' || $mode === 'once') {
        $redis->setOption(Redis::OPT_READ_TIMEOUT, PATIENCE_S);
    }
    return [
        fn (array $words) => ask($redis, $words),
        fn (array $commands, bool $atomic) => askTogether($redis, $atomic ? Redis::MULTI : Redis::PIPELINE, $commands),
    ];
}

run('connect');
