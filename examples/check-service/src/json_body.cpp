// SPDX-License-Identifier: MIT
#include "json_body.h"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace ratelimit::service {
namespace {

using Json = nlohmann::json;

/// Takes the parts of the text as the parser meets them. Returning false ends the parsing, so the depth is bounded by the
/// first object inside, and no tree is ever built.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  Fields fields;
  Problem problem;

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return take(Field::Kind::truth, value ? "true" : "false"); }
  bool number_integer(std::int64_t value) override { return take(Field::Kind::number, std::to_string(value)); }
  bool number_unsigned(std::uint64_t value) override { return take(Field::Kind::number, std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return take(Field::Kind::number, text); }
  bool string(std::string& value) override { return take(Field::Kind::text, std::move(value)); }
  bool binary(Json::binary_t&) override { return refuse("binary data"); }
  bool start_array(std::size_t) override { return refuse("a list"); }
  bool end_array() override { return false; }

  bool start_object(std::size_t) override {
    if (is_inside_) return refuse("an object");
    return is_inside_ = true;
  }
  bool end_object() override { return true; }
  bool key(std::string& name) override {
    name_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    problem = {400, "the body is no valid JSON, at byte " + std::to_string(position)};
    return false;
  }

 private:
  bool take(Field::Kind kind, std::string value) {
    if (!is_inside_) return refuse({});
    return add_field(fields, {.name = name_, .kind = kind, .value = std::move(value)}, problem);
  }

  bool refuse(std::string_view what) {
    if (!is_inside_) {
      problem = {400, "the body must be an object of JSON"};
    } else {
      problem = {400, "the field \"" + shown(name_) + "\" must not be " + std::string(what)};
    }
    return false;
  }

  bool is_inside_ = false;
  std::string name_;
};

}  // namespace

Read<Fields> fields_of_json(std::string_view text) {
  Reader reader;
  if (!Json::sax_parse(text.begin(), text.end(), &reader, Json::input_format_t::json, true)) return reader.problem;
  return std::move(reader.fields);
}

}  // namespace ratelimit::service
