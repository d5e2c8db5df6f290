// SPDX-License-Identifier: MIT
#include "commands/limit_reader.h"

#include <optional>

#include "ratelimit/algorithms/anchor.h"

namespace ratelimit {

bool LimitReader::take_known(const KnownLimits& known, const AlgorithmRow* algorithm, CallLimits& limits) {
  words_ = arguments_.rest();
  const KnownLimits::Entry* const entry = known.find(words_, algorithm);
  if (entry == nullptr) return false;
  limits.begin_with(*entry);
  known_ = &limits;
  options_ = entry->options().possible;
  given_ = entry->options().given;
  arguments_.skip(entry->words());
  return true;
}

void LimitReader::remember(KnownLimits& known, const AlgorithmRow* algorithm, const CallLimits& limits) const {
  const bool stand_together = taken_ > 0 && taken_ == end_;
  if (stand_together) known.remember(words_, end_, algorithm, limits.span(), {options_, given_});
}

void LimitReader::note_taken(std::size_t left_before) {
  taken_ += left_before - left();
  end_ = words_.size() - left();
}

void LimitReader::read_numbers(const AlgorithmRow& row, LimitSpec& spec) {
  spec.algorithm = row.algorithm;
  spec.size = arguments_.count(row.size);
  if (row.rate != Argument::none) spec.refill = arguments_.count(row.rate);
  if (row.span == Argument::unit) {
    spec.unit = kCalendarUnits[arguments_.choice(row.span)];
  } else {
    spec.span = arguments_.duration(row.span);
  }
  const bool is_too_slow = is_bucket(spec.algorithm) && !arguments_.fault() &&
                           !TokenBucket::refills_in_time(spec.size, spec.refill, spec.span);
  if (is_too_slow) arguments_.fail({Fault::Kind::refills_too_slowly, row.rate});
  spec_ = &spec;
  options_ = row.options | kAnyLimitOptions;
  given_ = {};
}

const AlgorithmRow* LimitReader::take_algorithm() {
  for (const AlgorithmRow& row : kAlgorithms) {
    if (arguments_.take(keyword(row.algorithm))) return &row;
  }
  return nullptr;
}

bool LimitReader::take_option_of_limit() {
  const std::size_t before = left();
  const OptionRow* row = arguments_.take(options_);
  if (row == nullptr) return false;
  if (spec_ == nullptr) spec_ = &known_->back();
  if (given_.has(row->option)) arguments_.fail({Fault::Kind::repeated, row->argument});
  given_.add(row->option);
  read(*row);
  note_taken(before);
  return true;
}

void LimitReader::read(const OptionRow& row) {
  switch (row.option) {
    case Option::aligned: spec_->aligned = true; return;
    case Option::approximate: spec_->algorithm = Algorithm::sliding_window_counter; return;
    case Option::anchor: return read_anchor();
    case Option::zone: return read_zone();
    case Option::label: spec_->label = arguments_.label(); return;
    case Option::per_request: spec_->per_request = true; return;
    case Option::limit:
    case Option::subject:
    case Option::cost:
    case Option::costs:
    case Option::charge:
    case Option::partial:
    case Option::force:
    case Option::max_wait:
    case Option::id:
    case Option::each:
    case Option::jitter:
    case Option::headers:
    case Option::brief:
    case Option::shadow:
    case Option::subjects: return;  // not among kLimitOptions
  }
}

void LimitReader::read_anchor() {
  const std::string_view date = arguments_.text(Argument::anchor);
  if (arguments_.fault()) return;
  const std::optional<Anchor> anchor = parse_anchor(date);
  if (!anchor) return arguments_.fail({Fault::Kind::malformed, Argument::anchor});
  spec_->anchor = *anchor;
}

/// UTC is what a quota has that names no zone.
void LimitReader::read_zone() {
  const std::string_view name = arguments_.text(Argument::zone);
  if (arguments_.fault() || zones_.is_utc(name)) return;
  spec_->rules = zones_.find(name);
  if (spec_->rules == nullptr) return arguments_.fail({Fault::Kind::malformed, Argument::zone});
  spec_->zone = name;
}

}  // namespace ratelimit
