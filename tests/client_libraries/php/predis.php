<?php
// SPDX-License-Identifier: MIT
// The conversation in PHP, with Predis.
declare(strict_types=1);

require __DIR__ . '/talk.php';
require 'Predis/autoload.php';

use Predis\Client;
use Predis\Command\RawCommand;
use Predis\Response\ErrorInterface;
use Predis\Response\Status;

function plain(mixed $reply): mixed
{
    return match (true) {
        $reply instanceof ErrorInterface => ['error' => $reply->getMessage()],
        $reply instanceof Status => (string) $reply,
        is_array($reply) => array_map('plain', $reply),
        default => $reply,
    };
}

// For pipelines and transactions Predis wants an object, which it also gives its prefix and the node of a cluster.
function askTogether(Client $redis, array $commands, bool $isAtomic): array
{
    if ($isAtomic) {
        $redis->executeRaw(['MULTI']);
    }
    $replies = $redis->pipeline(function ($pipe) use ($commands) {
        foreach ($commands as $words) {
            $pipe->executeCommand(new RawCommand($words));
        }
    });
    return array_map('plain', $isAtomic ? $redis->executeRaw(['EXEC']) : $replies);
}

function connect(int $port, string $mode): array
{
    $server = ['host' => '127.0.0.1', 'port' => $port];
    if ($mode === 'default' || $mode === 'once') {
        $server['read_write_timeout'] = PATIENCE_S;
    }
    $options = ['exceptions' => false] + ($mode === 'prefix' ? ['prefix' => 'app:'] : []);
    $redis = $mode === 'cluster' ? new Client([$server], ['cluster' => 'redis'] + $options) : new Client($server, $options);
    if ($mode === '3') {
        $redis->executeRaw(['HELLO', $mode]); // Predis 1 has no option for it
    }
    return [
        fn (array $words) => plain($redis->executeCommand(new RawCommand($words))),
        fn (array $commands, bool $isAtomic) => askTogether($redis, $commands, $isAtomic),
    ];
}

run('connect');
