# SPDX-License-Identifier: MIT
# find_package(ratelimit) gives ratelimit::ratelimit, and, where hiredis is found, ratelimit::client.
# find_package(ratelimit COMPONENTS client) fails without hiredis.
include(${CMAKE_CURRENT_LIST_DIR}/ratelimit-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ratelimit-client.cmake)
foreach(component IN LISTS ratelimit_FIND_COMPONENTS)
  if(component STREQUAL "client" AND TARGET ratelimit::client)
    set(ratelimit_client_FOUND TRUE)
  elseif(ratelimit_FIND_REQUIRED_${component})
    set(ratelimit_FOUND FALSE)
    set(ratelimit_NOT_FOUND_MESSAGE "ratelimit has no component ${component} here; the client needs hiredis.")
  endif()
endforeach()
