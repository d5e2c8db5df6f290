// SPDX-License-Identifier: MIT
// One thread of the service: its loop of events, and the pipeline by which it asks the server. Depends on the C++ client's
// pipeline and on Asio.
//
// The pipeline has files of its own, which come and go. They are watched by an epoll of their own, which is one file that
// Asio watches: a file that is closed leaves it by itself.
#ifndef RATELIMIT_SERVICE_LOOP_H
#define RATELIMIT_SERVICE_LOOP_H

#include <poll.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <vector>

#include "backend.h"
#include "hot_subjects.h"
#include "ratelimit/client/pipeline.h"
#include "settings.h"

namespace ratelimit::service {

/// Its own thread may call it, and gets the answers. What comes in one turn of the loop is sent together.
class Loop final : public Backend {
 public:
  /// The client must outlive the loop.
  Loop(client::Client& client, const Settings& settings);
  /// Stops, if nobody has.
  ~Loop() override;

  void start();
  /// Ends the thread, and answers the calls that are under way on the thread of the caller.
  void stop();
  [[nodiscard]] boost::asio::io_context& context() { return context_; }

  void check(const Question& question, const Context& context, Done done) override;
  void check_all(const std::vector<Question>& questions, const Context& context, DoneAll done) override;
  void reserve(const Question& question, Span ttl, const Context& context, Done done) override;
  void settle(const Question& question, const Context& context, Done done) override;
  void refund(const Question& question, const Context& context, Done done) override;

 private:
  [[nodiscard]] static client::Call call_of(const Question& question, const Context& context);
  void wake();  ///< work is done once the handlers of this turn have run
  void work();
  void watch();  ///< the files and the time that the pipeline waits for
  void wait_for_files();
  void wait_until(std::chrono::steady_clock::time_point time);

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{context_.get_executor()};
  client::Pipeline pipeline_;
  boost::asio::posix::stream_descriptor files_;  ///< the epoll
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point timer_ends_ = std::chrono::steady_clock::time_point::max();
  std::vector<pollfd> watched_;
  bool is_awake_ = false;
  const Units lease_;
  HotSubjects hot_;
  std::thread thread_;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_LOOP_H
