# SPDX-License-Identifier: MIT
# The conversation in Perl, with Redis.pm: redis_perl.pl conversation.json PORT MODE. Prints JSON.
# test_conversation.py says what the modes are.
# Redis.pm sends and gives bytes; so the file is read as bytes, and printed as bytes.
use v5.36;

use JSON::PP;
use Redis;

sub words ($line) {
    return map { /^hex:(.*)/ ? pack('H*', $1) : $_ } split / /, $line;
}

sub plain ($reply, $error) {
    return defined $error ? { error => $error } : $reply;
}

# Any name that Redis.pm has no method for is a command. It dies with "[COMMAND] ERROR, at FILE line N."
sub ask ($redis, $line) {
    my ($command, @arguments) = words($line);
    my $reply = eval { scalar $redis->$command(@arguments) };
    return plain($reply, undef) if not $@;
    die $@ if $@ !~ /^\[\S+\] (.*),  at /;
    return plain(undef, $1);
}

# With a callback as its last argument, a command does not wait for its reply.
sub ask_later ($redis, $line, $callback) {
    my ($command, @arguments) = words($line);
    $redis->$command(@arguments, $callback);
}

sub ask_together ($redis, $lines) {
    my @replies;
    ask_later($redis, $_, sub ($reply, $error) { push @replies, plain($reply, $error) }) for @$lines;
    $redis->wait_all_responses;
    return \@replies;
}

# EXEC gives each reply as a pair of reply and error, and so each element of a reply that is a list.
sub unpaired ($pair) {
    my ($reply, $error) = @$pair;
    return plain(ref $reply ? [map { unpaired($_) } @$reply] : $reply, $error);
}

sub ask_in_transaction ($redis, $lines) {
    my $replies;
    $redis->multi(sub { });
    ask_later($redis, $_, sub { }) for @$lines;
    $redis->exec(sub ($pairs, $error) { $replies = plain([map { unpaired($_) } @$pairs], $error) });
    $redis->wait_all_responses;
    return $replies;
}

sub converse ($redis, $step) {
    return ask($redis, $step->{command}) if $step->{command};
    return ask_together($redis, $step->{pipeline}) if $step->{pipeline};
    return ask_in_transaction($redis, $step->{transaction});
}

# Only where connections are broken on purpose, an error that the server did not send is heard too.
sub hear ($redis, $step, $mode) {
    my $reply = eval { converse($redis, $step) };
    return $reply if not $@;
    die $@ if $mode !~ /^(default|once)$/;
    return plain(undef, "$@");
}

my ($conversation, $port, $mode) = @ARGV;
my %patience = $mode =~ /^(default|once)$/ ? (read_timeout => 0.5) : ();
my $redis = Redis->new(server => "127.0.0.1:$port", %patience);
$redis->hello(3) if $mode eq '3';    # Redis.pm 2 has no option for it
open my $file, '<:raw', $conversation or die "$conversation: $!";
my $steps = JSON::PP->new->decode(do { local $/; <$file> });
say JSON::PP->new->encode([map { hear($redis, $_, $mode) } @$steps]);
