# SPDX-License-Identifier: MIT
# What cpack makes: ratelimit (the module), ratelimit-replay (the program, where its libraries were found), and
# ratelimit-dev or ratelimit-devel (the headers, for any machine). Read if
# RATELIMIT_PACKAGE is deb or rpm, as scripts/package sets it: the two differ in where things lie.
set(RATELIMIT_PACKAGE_CONTACT "The ratelimit maintainers <maintainers@ratelimit.example>" CACHE STRING
  "Who makes the packages: a name and an address")
string(TIMESTAMP RATELIMIT_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)  # that of SOURCE_DATE_EPOCH, if it is set

set(CPACK_PACKAGE_NAME ratelimit)
set(CPACK_PACKAGE_CONTACT ${RATELIMIT_PACKAGE_CONTACT})
set(CPACK_PACKAGE_VENDOR ratelimit)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)  # so that the installation knows the prefix it will have
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL module headers)
if(TARGET ratelimit_replay)
  list(APPEND CPACK_COMPONENTS_ALL replay)
endif()
set(CPACK_COMPONENTS_GROUPING IGNORE)

# Lines of less than 80 characters, as packages want them.
set(about_module "A module that decides in the server, atomically and in exact integers, whether
a caller may go on: token buckets, queues, windows, quotas and leases, several
limits in one call, and a million callers in one key. It loads into Redis 7.0
and later and into Valkey 7.2 and later.")
set(about_headers "The algorithms of the module ratelimit as a header-only library for C++20, and
a client for its commands that uses hiredis. CMake finds both by
find_package(ratelimit).")
set(about_replay "A program that reads access logs and says what a limit of the module ratelimit
would have done: who would have been denied, when and how often. It also
searches for limits that deny no more than a given share.")
set(CPACK_COMPONENT_MODULE_DESCRIPTION "${about_module}")
set(CPACK_COMPONENT_REPLAY_DESCRIPTION "${about_replay}")
set(CPACK_COMPONENT_HEADERS_DESCRIPTION "${about_headers}")

# Debian has 64-bit modules of servers in lib (redis-redisearch), and Fedora in lib64 (redis.spec).
if(RATELIMIT_PACKAGE STREQUAL "deb")
  set(CPACK_GENERATOR DEB)
  set(RATELIMIT_MODULE_DIR lib/redis/modules)
elseif(RATELIMIT_PACKAGE STREQUAL "rpm")
  set(CPACK_GENERATOR RPM)
  set(RATELIMIT_MODULE_DIR lib64/redis/modules)
  set(RATELIMIT_LICENCE_TEXTS /usr/share/common-licenses/Apache-2.0)  # that of Abseil, which asks for it
else()
  message(FATAL_ERROR "RATELIMIT_PACKAGE is deb or rpm, and not ${RATELIMIT_PACKAGE}.")
endif()

# --- .deb -------------------------------------------------------------------------------------------
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_MODULE_PACKAGE_NAME ratelimit)
set(CPACK_DEBIAN_MODULE_PACKAGE_SECTION database)
set(CPACK_DEBIAN_MODULE_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_MODULE_PACKAGE_RECOMMENDS tzdata)
set(CPACK_DEBIAN_MODULE_PACKAGE_SUGGESTS "redis-server (>= 5:7.0) | valkey-server (>= 7.2)")
set(CPACK_DEBIAN_REPLAY_PACKAGE_NAME ratelimit-replay)
set(CPACK_DEBIAN_REPLAY_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_REPLAY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_REPLAY_PACKAGE_RECOMMENDS tzdata)
set(CPACK_DEBIAN_HEADERS_PACKAGE_NAME ratelimit-dev)
set(CPACK_DEBIAN_HEADERS_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_HEADERS_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_HEADERS_PACKAGE_SUGGESTS "cmake, libhiredis-dev")

# --- .rpm -------------------------------------------------------------------------------------------
# rpmbuild finds the version of glibc that is needed by itself.
set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_LICENSE "MIT AND Apache-2.0 AND ISC")
set(CPACK_RPM_PACKAGE_GROUP Applications/Databases)
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none")  # there is no package of debug information to link to
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION  # belong to the system
  /usr/share/licenses /usr/share/man /usr/share/man/man1)
set(CPACK_RPM_MAIN_COMPONENT module)
set(CPACK_RPM_MODULE_PACKAGE_NAME ratelimit)
set(CPACK_RPM_MODULE_USER_FILELIST "%license /usr/share/licenses/ratelimit/Apache-2.0")
set(CPACK_RPM_REPLAY_PACKAGE_NAME ratelimit-replay)
set(CPACK_RPM_REPLAY_PACKAGE_SUMMARY "Tries rate limits on access logs")
set(CPACK_RPM_HEADERS_PACKAGE_NAME ratelimit-devel)
set(CPACK_RPM_HEADERS_PACKAGE_ARCHITECTURE noarch)
set(CPACK_RPM_HEADERS_PACKAGE_SUMMARY "${PROJECT_DESCRIPTION}: headers")

# --- for another architecture -----------------------------------------------------------------------
# The tools of the packages know the architecture and the libraries of this machine; scripts/package says what is needed.
if(CMAKE_CROSSCOMPILING)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
  set(CPACK_DEBIAN_MODULE_PACKAGE_SHLIBDEPS OFF)
  set(CPACK_DEBIAN_MODULE_PACKAGE_DEPENDS "libc6 (>= ${RATELIMIT_NEEDED_GLIBC})")
  set(CPACK_RPM_PACKAGE_ARCHITECTURE aarch64)
endif()

# --- documents of Debian ----------------------------------------------------------------------------
# Every package has its licence, and its changelogs, compressed as well as gzip can.
function(ratelimit_install_for_debian component package)
  set(folder ${PROJECT_BINARY_DIR}/changelogs)
  configure_file(packaging/debian-changelog.in ${folder}/changelog.Debian @ONLY)
  configure_file(CHANGELOG.md ${folder}/changelog COPYONLY)
  foreach(name IN ITEMS changelog changelog.Debian)
    execute_process(COMMAND gzip -9nc ${folder}/${name} OUTPUT_FILE ${folder}/${name}.gz COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  install(FILES packaging/copyright ${folder}/changelog.gz ${folder}/changelog.Debian.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
  configure_file(packaging/lintian-overrides.in ${PROJECT_BINARY_DIR}/lintian-overrides/${package} @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/lintian-overrides/${package}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT ${component})
endfunction()
if(RATELIMIT_PACKAGE STREQUAL "deb")
  ratelimit_install_for_debian(module ratelimit)
  ratelimit_install_for_debian(headers ratelimit-dev)
  if(TARGET ratelimit_replay)
    ratelimit_install_for_debian(replay ratelimit-replay)
  endif()
endif()

# --- the manual page ---------------------------------------------------------------------------------
# What --help says, as a page of man. It is made when the program is installed, since it asks the program.
if(TARGET ratelimit_replay)
  find_program(RATELIMIT_HELP2MAN help2man REQUIRED)
  set(manual ${PROJECT_BINARY_DIR}/ratelimit-replay.1)
  install(CODE "
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${RATELIMIT_HELP2MAN} --no-info --output=${manual}
      \"--name=tries rate limits on access logs\" $<TARGET_FILE:ratelimit_replay> COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND gzip -9nf ${manual} COMMAND_ERROR_IS_FATAL ANY)" COMPONENT replay)
  install(FILES ${manual}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT replay)
endif()

include(CPack)
