# SPDX-License-Identifier: MIT
# ratelimit::client, the client for C++ programs: there if hiredis is. Read by our own build, and by ratelimit-config.cmake
# on the machine where the client is used: whether hiredis was there when we were installed does not matter.
# ratelimit::client_tls is the same with client/tls.h, if OpenSSL is there too.
if(NOT TARGET ratelimit::client)
  find_path(RATELIMIT_HIREDIS_INCLUDE_DIR hiredis/hiredis.h)
  find_library(RATELIMIT_HIREDIS_LIBRARY hiredis)
  mark_as_advanced(RATELIMIT_HIREDIS_INCLUDE_DIR RATELIMIT_HIREDIS_LIBRARY)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads QUIET)
  if(RATELIMIT_HIREDIS_INCLUDE_DIR AND RATELIMIT_HIREDIS_LIBRARY AND Threads_FOUND)
    add_library(ratelimit::client INTERFACE IMPORTED GLOBAL)
    set_property(TARGET ratelimit::client PROPERTY INTERFACE_INCLUDE_DIRECTORIES ${RATELIMIT_HIREDIS_INCLUDE_DIR})
    set_property(TARGET ratelimit::client PROPERTY INTERFACE_LINK_LIBRARIES
      ratelimit::ratelimit ${RATELIMIT_HIREDIS_LIBRARY} Threads::Threads)
  endif()
endif()
if(TARGET ratelimit::client AND NOT TARGET ratelimit::client_tls)
  find_package(OpenSSL QUIET)
  if(OPENSSL_FOUND)
    add_library(ratelimit::client_tls INTERFACE IMPORTED GLOBAL)
    set_property(TARGET ratelimit::client_tls PROPERTY INTERFACE_LINK_LIBRARIES ratelimit::client OpenSSL::SSL)
  endif()
endif()
