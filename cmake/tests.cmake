# SPDX-License-Identifier: MIT
# The tests in C++, run by ctest. They need GoogleTest and Boost's headers. By default, where these are missing there are
# no tests; with RATELIMIT_BUILD_TESTS=ON that is an error.
enable_testing()
set(how QUIET)
if(NOT RATELIMIT_BUILD_TESTS STREQUAL "AUTO")
  set(how REQUIRED)
endif()
find_package(GTest ${how})
find_package(Boost ${how})
if(GTest_FOUND AND Boost_FOUND)
  include(GoogleTest)
  add_subdirectory(tests)
else()
  message(STATUS "The tests are not built: they need GoogleTest and Boost (Debian: libgtest-dev libboost-dev).")
endif()
