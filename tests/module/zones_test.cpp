// SPDX-License-Identifier: MIT
// The zones of the system, against a second opinion. Howard Hinnant's date reads the same files by other code, as far
// as their tables go (2037); from then on a rule holds, and it is the C library's reading that counts.
#include "server/zones.h"

#include <date/tz.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/calendar.h"

namespace ratelimit {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using namespace std::chrono_literals;

constexpr std::array kUnits{CalendarUnit::hour,  CalendarUnit::day,     CalendarUnit::week,
                            CalendarUnit::month, CalendarUnit::quarter, CalendarUnit::year};
constexpr sys_days kTablesEnd = 2036y / 12 / 25;
constexpr std::string_view kZoneinfo = "/usr/share/zoneinfo";

std::uint64_t test_seed() {
  const char* const seed = std::getenv("RATELIMIT_TEST_SEED");
  return seed != nullptr ? std::stoull(seed) : 20240229;
}

/// Sets a variable of the environment for as long as it lives.
class Environment {
 public:
  Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = std::getenv(name_.c_str())) before_ = before;
    ::setenv(name_.c_str(), value.c_str(), 1);
    ::tzset();
  }
  ~Environment() {
    before_.empty() ? ::unsetenv(name_.c_str()) : ::setenv(name_.c_str(), before_.c_str(), 1);
    ::tzset();
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::string name_;
  std::string before_;
};

/// A zoneinfo folder of our own.
class OwnZoneinfo {
 public:
  OwnZoneinfo()
      : folder_(::testing::TempDir() + "zoneinfo." + std::to_string(::getpid())), variable_("TZDIR", folder_) {
    std::filesystem::create_directories(folder_);
  }
  ~OwnZoneinfo() { std::filesystem::remove_all(folder_); }
  OwnZoneinfo(const OwnZoneinfo&) = delete;
  OwnZoneinfo& operator=(const OwnZoneinfo&) = delete;

  void add(const std::string& name) const {
    std::filesystem::copy_file(std::filesystem::path(kZoneinfo) / "Europe/Berlin", path(name));
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_ / name; }

 private:
  std::filesystem::path folder_;
  Environment variable_;
};

/// Names of zones that differ since 1970, all that there are.
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  std::ifstream file(std::filesystem::path(kZoneinfo) / "zone1970.tab");
  for (std::string line; std::getline(file, line);) {
    std::string countries, place, name;
    if (!line.starts_with('#') && std::istringstream(line) >> countries >> place >> name) names.push_back(name);
  }
  return names;
}

Instant begin_by_date(const date::time_zone& zone, date::local_seconds time) {
  const date::local_info info = zone.get_info(time);
  if (info.result == date::local_info::nonexistent) return info.first.end;
  return sys_seconds{time.time_since_epoch() - info.first.offset};
}

/// Whether a window starts on that day, if one starts on the day `anchor`.
bool is_first(CalendarUnit unit, date::year_month_day anchor, date::year_month_day date) {
  const date::day last = (date.year() / date.month() / date::last).day();
  const bool is_day = date.day() == std::min(anchor.day(), last);
  const int months = (date.month() - anchor.month()).count();
  switch (unit) {
    case CalendarUnit::week: return date::weekday{date::local_days{date}} == date::weekday{date::local_days{anchor}};
    case CalendarUnit::month: return is_day;
    case CalendarUnit::quarter: return is_day && months % 3 == 0;
    case CalendarUnit::year: return is_day && months == 0;
    default: return true;
  }
}

/// Without an anchor, windows are as from 2024-01-01 on, a Monday.
date::local_time<minutes> begin_of(Anchor anchor) {
  return anchor.is_given() ? date::local_time<minutes>{anchor.minute().time_since_epoch()}
                           : date::local_time<minutes>{date::local_days{date::year{2024} / 1 / 1}};
}

Instant first_day_by_date(CalendarUnit unit, Anchor anchor, const date::time_zone& zone, Instant now) {
  const date::local_days first = date::floor<days>(begin_of(anchor));
  const minutes time = begin_of(anchor) - first;
  date::local_days day{floor<days>(now.time_since_epoch()) - days{3}};
  while (!is_first(unit, date::year_month_day{first}, date::year_month_day{day}) ||
         begin_by_date(zone, day + time) <= now) {
    day += days{1};
  }
  return begin_by_date(zone, day + time);
}

Instant hour_by_date(Anchor anchor, const date::time_zone& zone, Instant now) {
  const minutes time = begin_of(anchor).time_since_epoch() % hours{1};
  for (Instant from = now + 1ns;;) {
    const date::sys_info info = zone.get_info(floor<seconds>(from));
    const auto shown = from.time_since_epoch() + info.offset;
    const sys_seconds full{std::chrono::ceil<hours>(shown - time) + time - info.offset};
    if (full < info.end) return full;
    from = info.end;
  }
}

Instant end_by_date(CalendarUnit unit, Anchor anchor, const date::time_zone& zone, Instant now) {
  return unit == CalendarUnit::hour ? hour_by_date(anchor, zone, now) : first_day_by_date(unit, anchor, zone, now);
}

/// None, or any: of the instants of a zone, each gets one. Clocks change mostly between midnight and three.
Anchor random_anchor(std::mt19937_64& random) {
  if (random() % 3 == 0) return {};
  const auto number = [&random](LocalMinute::rep below) {
    return minutes{static_cast<LocalMinute::rep>(random() % static_cast<std::uint64_t>(below))};
  };
  const LocalMinute any = Anchor::kEarliest + number((Anchor::kLatest - Anchor::kEarliest).count() + 1);
  return random() % 2 == 0 ? Anchor(any) : Anchor(floor<days>(any) + number(181));
}

Span random_span(std::mt19937_64& random, Span below) {
  return Span{static_cast<Span::rep>(random() % static_cast<std::uint64_t>(below.count()))};
}

/// Instants at which a mistake would show: around each change of the clock, and anywhere.
std::vector<Instant> interesting_instants(const date::time_zone& zone, std::mt19937_64& random) {
  std::vector<Instant> instants;
  for (date::sys_info info = zone.get_info(sys_seconds{}); info.end < kTablesEnd; info = zone.get_info(info.end)) {
    for (const Span after : {Span{-1ns}, Span{0}, random_span(random, 52h) - 26h, random_span(random, 4h) - 2h}) {
      instants.push_back(std::max(info.end + after, kEarliest));
    }
  }
  for (int i = 0; i < 40; ++i) instants.push_back(kEarliest + random_span(random, kTablesEnd - kEarliest));
  return instants;
}

void expect_what_date_says(const std::string& name, std::mt19937_64& random) {
  const Zone* const zone = find_zone(name);
  ASSERT_NE(zone, nullptr) << name;
  const date::time_zone& other = *date::locate_zone(name);
  for (const Instant now : interesting_instants(other, random)) {
    for (const CalendarUnit unit : kUnits) {
      const Anchor anchor = random_anchor(random);
      const CalendarWindows windows(unit, zone, anchor);
      const Instant end = windows.end_after(now);
      ASSERT_EQ(end, end_by_date(unit, anchor, other, now))
          << name << ' ' << keyword(unit) << ' ' << (anchor.is_given() ? text_of(anchor) : "") << ' '
          << now.time_since_epoch().count() << " seed " << test_seed();
      ASSERT_EQ(end, windows.end_after(end - 1ns)) << name << ' ' << keyword(unit);
      ASSERT_LE(end - now, longest_length(unit)) << name << ' ' << keyword(unit);
    }
  }
}

TEST(Zones, AgreeWithAnotherLibraryEverywhere) {
  std::mt19937_64 random(test_seed());
  const std::vector<std::string> names = all_names();
  ASSERT_GT(names.size(), 300U);
  for (const std::string& name : names) expect_what_date_says(name, random);
}

/// The offset of the zone that TZ names.
seconds offset_by_libc(sys_seconds instant) {
  const std::time_t time = instant.time_since_epoch().count();
  std::tm shown{};
  ::localtime_r(&time, &shown);
  return seconds{shown.tm_gmtoff};
}

void expect_what_libc_says(const std::string& name, std::chrono::year year) {
  const Environment variable("TZ", name);
  const Zone* const zone = find_zone(name);
  ASSERT_NE(zone, nullptr) << name << " seed " << test_seed();
  const auto day_at = [](sys_seconds instant) {
    return std::chrono::local_days{floor<days>(instant.time_since_epoch() + offset_by_libc(instant))};
  };
  for (sys_days day = year / 1 / 1; day < sys_days{(year + std::chrono::years{1}) / 1 / 1}; day += days{1}) {
    for (int hour = 0; hour < 24; hour += 3) {
      ASSERT_EQ(zone->offset_at(day + hours{hour}), offset_by_libc(day + hours{hour}))
          << name << " day " << day.time_since_epoch().count();
    }
    const std::chrono::local_days local_day{day.time_since_epoch()};
    const sys_seconds begin = floor<seconds>(zone->begin_of(local_day, Span{}));
    ASSERT_GE(day_at(begin), local_day) << name << " day " << day.time_since_epoch().count();
    for (const seconds before : {1s, 600s, 3600s})
      ASSERT_LT(day_at(begin - before), local_day) << name << " day " << day.time_since_epoch().count();
  }
}

TEST(Zones, AgreeWithTheLibraryOfCWhereOnlyARuleHolds) {
  std::mt19937_64 random(test_seed());
  for (const std::string& name : all_names()) {
    expect_what_libc_says(name, std::chrono::year{2038 + static_cast<int>(random() % 162)});
  }
}

Instant utc(std::chrono::year_month_day date, Span time) { return Instant{sys_days{date}} + time; }

Instant end_of_day(std::string_view zone, Instant now) {
  return CalendarWindows(CalendarUnit::day, find_zone(zone)).end_after(now);
}

TEST(Zones, KnowTheOddDaysOfTheWorld) {
  // A day that was skipped, a midnight that was, one that happened twice, and a clock set back over it.
  EXPECT_EQ(end_of_day("Pacific/Apia", utc(2011y / 12 / 29, 10h)), utc(2011y / 12 / 30, 10h));
  EXPECT_EQ(end_of_day("Pacific/Apia", utc(2011y / 12 / 30, 10h)), utc(2011y / 12 / 31, 10h));
  EXPECT_EQ(end_of_day("America/Sao_Paulo", utc(2018y / 11 / 3, 12h)), utc(2018y / 11 / 4, 3h));
  EXPECT_EQ(end_of_day("America/Sao_Paulo", utc(2018y / 11 / 4, 3h)), utc(2018y / 11 / 5, 2h));
  EXPECT_EQ(end_of_day("America/Havana", utc(2024y / 11 / 3, 4h)), utc(2024y / 11 / 4, 5h));
  EXPECT_EQ(end_of_day("America/St_Johns", utc(2010y / 11 / 7, 3h)), utc(2010y / 11 / 8, 3h + 30min));
}

/// A file with a table that ends with the epoch, and the rule that holds from then on (RFC 8536).
std::string file_of(const std::string& rule) {
  using namespace std::string_literals;
  const std::string header = "TZif2"s + std::string(15 + 12, '\0') + "\0\0\0\1\0\0\0\1\0\0\0\4"s;
  const auto table = [](std::size_t bytes) { return std::string(bytes + 1 + 6, '\0') + "UTC\0"s; };
  return header + table(4) + header + table(8) + '\n' + rule + '\n';
}

TEST(Zones, BeginADayWhoseMidnightIsWithinAGapWhereTheGapEnds) {
  // On the 10th of April, 23:30 becomes 00:30. Clocks that are moved around midnight are moved at midnight, so far.
  const OwnZoneinfo zoneinfo;
  std::ofstream(zoneinfo.path("Gap")) << file_of("UTC0DST-1,J100/23:30,J300/12:00");
  EXPECT_EQ(end_of_day("Gap", utc(2024y / 4 / 10, 12h)), utc(2024y / 4 / 10, 23h + 30min));
  EXPECT_EQ(end_of_day("Gap", utc(2024y / 4 / 10, 23h + 30min)), utc(2024y / 4 / 11, 23h));
}

TEST(Zones, MoveTheirClocksAlsoInTheNextCentury) {
  EXPECT_EQ(end_of_day("Europe/Berlin", utc(2150y / 7 / 1, 12h)), utc(2150y / 7 / 1, 22h));
  EXPECT_EQ(end_of_day("Europe/Berlin", utc(2199y / 12 / 31, 12h)), utc(2199y / 12 / 31, 23h));
}

TEST(Zones, AreTheSameObjectEachTime) {
  const Zone* const berlin = find_zone("Europe/Berlin");
  ASSERT_NE(berlin, nullptr);
  for (const std::string& name : all_names()) static_cast<void>(find_zone(name));
  EXPECT_EQ(find_zone("Europe/Berlin"), berlin);
  EXPECT_NE(find_zone("Europe/Paris"), berlin);
}

TEST(Zones, AreThereForEveryNameOfIana) {
  for (const date::time_zone& zone : date::get_tzdb().zones) {
    const std::string& name = zone.name();
    const bool is_of_iana = 'A' <= name.front() && name.front() <= 'Z';
    if (is_of_iana && !is_utc(name)) {
      EXPECT_NE(find_zone(name), nullptr) << name;
    }
  }
}

TEST(Zones, DoNotDependOnTheZoneOfTheProcess) {
  const Environment variable("TZ", "America/New_York");
  EXPECT_EQ(end_of_day("Asia/Tokyo", utc(2024y / 1 / 1, 12h)), utc(2024y / 1 / 1, 15h));
  EXPECT_EQ(CalendarWindows(CalendarUnit::day, nullptr).end_after(utc(2024y / 1 / 1, 12h)), utc(2024y / 1 / 2, 0h));
  EXPECT_EQ(find_zone("localtime"), nullptr);
}

TEST(Zones, NeedNoneForUtc) {
  for (const std::string_view name : {"UTC", "Etc/UTC"}) {
    EXPECT_TRUE(is_utc(name));
    EXPECT_EQ(find_zone(name), nullptr);
  }
  for (const std::string_view name : {"", "utc", "UTC ", "Etc", "Europe/London", "GMT"}) EXPECT_FALSE(is_utc(name));
}

TEST(Zones, RefuseWhatIsNoNameOfAZone) {
  using namespace std::string_view_literals;
  for (const std::string_view name :
       {// folders, other files, copies that count leap seconds, the machine's own zone
        ""sv, "Europe"sv, "America/Argentina"sv, "zone1970.tab"sv, "leapseconds"sv, "right/Europe/Berlin"sv,
        "posix/Europe/Berlin"sv, "posixrules"sv, "localtime"sv,
        // nobody, or another spelling
        "Europe/Atlantis"sv, "europe/berlin"sv, "EUROPE/BERLIN"sv, "Europe/Berli"sv, "Europe/Berlin2"sv,
        // paths
        "/Europe/Berlin"sv, "Europe/Berlin/"sv, "Europe//Berlin"sv, "Europe/./Berlin"sv, "Europe/../Europe/Berlin"sv,
        "./Europe/Berlin"sv, "../zoneinfo/Europe/Berlin"sv, "/usr/share/zoneinfo/Europe/Berlin"sv, "/"sv, "."sv, ".."sv,
        // what Abseil has names for, and the C library
        "file:Europe/Berlin"sv, "file:/usr/share/zoneinfo/Europe/Berlin"sv, "libc:UTC"sv, "Fixed/UTC+01:00:00"sv,
        ":Europe/Berlin"sv, "CET-1CEST"sv, "UTC+1"sv,
        // bytes
        "Europe/Berlin\0"sv, "\0Europe/Berlin"sv, "Europe/Berlin\n"sv, " Europe/Berlin"sv, R"(Europe\Berlin)"sv,
        "Europe/B\xC3\xA9rlin"sv, "%s%s%n"sv}) {
    EXPECT_EQ(find_zone(name), nullptr) << name;
  }
  EXPECT_EQ(find_zone(std::string(1'000'000, 'A')), nullptr);
}

TEST(Zones, AreNotAskedForUnlessThereIsAFile) {
  // Abseil remembers what it did not find: had it been asked, the zone would stay unknown.
  const OwnZoneinfo zoneinfo;
  EXPECT_EQ(find_zone("Unheard_Of"), nullptr);
  zoneinfo.add("Unheard_Of");
  EXPECT_NE(find_zone("Unheard_Of"), nullptr);
}

TEST(Zones, HaveNamesOfUpTo64Bytes) {
  const OwnZoneinfo zoneinfo;
  const std::string longest(64, 'A'), too_long(65, 'A');
  zoneinfo.add(longest);
  zoneinfo.add(too_long);
  EXPECT_NE(find_zone(longest), nullptr);
  EXPECT_EQ(find_zone(too_long), nullptr);
}

TEST(Zones, AreNotMadeOfFilesThatHoldSomethingElse) {
  const OwnZoneinfo zoneinfo;
  std::ofstream(zoneinfo.path("Nonsense")) << "TZif, but not really";
  std::ofstream(zoneinfo.path("Empty")).flush();
  EXPECT_EQ(find_zone("Nonsense"), nullptr);
  EXPECT_EQ(find_zone("Empty"), nullptr);
}

}  // namespace
}  // namespace ratelimit
