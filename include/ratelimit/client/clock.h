// The clock of the client: one that nobody can step. Everything in this folder takes `now` as an argument.
#ifndef RATELIMIT_CLIENT_CLOCK_H
#define RATELIMIT_CLIENT_CLOCK_H

#include <chrono>

namespace ratelimit::client {

using Time = std::chrono::steady_clock::time_point;

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CLOCK_H
