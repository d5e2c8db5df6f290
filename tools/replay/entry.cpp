// SPDX-License-Identifier: MIT
#include "replay/entry.h"

namespace ratelimit::replay {

std::string_view reason_of(Line line) {
  switch (line) {
    case Line::call: return "a call";
    case Line::no_call: return "no call";
    case Line::too_long: return "longer than a mebibyte";
    case Line::no_time: return "no time that can be read";
    case Line::cut_short: return "the line ends too early";
    case Line::not_json: return "not an object of JSON";
    case Line::not_quoted: return "a quote is not closed";
    case Line::no_field: return "a field is missing that --subject, --cost or --where names";
    case Line::no_cost: return "the cost is not a number from 0 to 9007199254740991";
    case Line::long_subject: return "the subject has more than 1024 bytes";
  }
  return "malformed";
}

}  // namespace ratelimit::replay
