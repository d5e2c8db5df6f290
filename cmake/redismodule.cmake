# SPDX-License-Identifier: MIT
# Finds redismodule.h, the header of the server's API for modules: RATELIMIT_REDISMODULE_DIR is the folder that holds it.
# Who names a folder, by that variable of CMake or of the environment, means it. Otherwise the header is looked for where
# scripts/build puts it, and where the packages of some systems put it.
if(NOT RATELIMIT_REDISMODULE_DIR AND DEFINED ENV{RATELIMIT_REDISMODULE_DIR})
  set(RATELIMIT_REDISMODULE_DIR "$ENV{RATELIMIT_REDISMODULE_DIR}" CACHE PATH "Folder of redismodule.h" FORCE)
endif()
find_path(RATELIMIT_REDISMODULE_DIR redismodule.h
  HINTS "${PROJECT_SOURCE_DIR}/build/redismodule"
  PATH_SUFFIXES redis valkey src
  DOC "Folder of redismodule.h")
if(NOT RATELIMIT_REDISMODULE_DIR)
  message(FATAL_ERROR "redismodule.h was not found. Redis and Valkey have it in the folder src of their sources. Do one of these:\n"
    "  scripts/build                           on Debian and Ubuntu: it obtains the header and builds the module\n"
    "  -DRATELIMIT_REDISMODULE_DIR=FOLDER      tells cmake which folder holds the header\n"
    "  -DRATELIMIT_BUILD_MODULE=OFF            builds only the C++ library and its tests, without the module\n")
endif()
if(NOT EXISTS "${RATELIMIT_REDISMODULE_DIR}/redismodule.h")
  message(FATAL_ERROR "There is no redismodule.h in ${RATELIMIT_REDISMODULE_DIR} (RATELIMIT_REDISMODULE_DIR).\n")
endif()
file(STRINGS "${RATELIMIT_REDISMODULE_DIR}/redismodule.h" has_command_info REGEX "RedisModule_SetCommandInfo" LIMIT_COUNT 1)
if(NOT has_command_info)
  message(FATAL_ERROR "The redismodule.h in ${RATELIMIT_REDISMODULE_DIR} is too old: one of Redis 7.0 or later is needed.\n")
endif()
