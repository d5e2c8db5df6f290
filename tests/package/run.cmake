# SPDX-License-Identifier: MIT
# Installs the project into an empty folder and builds, against what is there, programs that use it: as on this machine,
# and as on one that has no hiredis. The installed module can be loaded by the installed line for the configuration.
#   cmake -DBINARY_DIR=… -DSOURCE_DIR=… -DGENERATOR=… -DCOMPILER=… -P run.cmake
set(configure "${CMAKE_COMMAND};-G;${GENERATOR};-DCMAKE_CXX_COMPILER=${COMPILER};-S;${SOURCE_DIR}")
set(work ${BINARY_DIR}/package-test)
file(REMOVE_RECURSE ${work})
foreach(command IN ITEMS
    "${CMAKE_COMMAND};--install;${BINARY_DIR};--prefix;${work}/installed"
    "${configure};-B;${work}/build;-DCMAKE_PREFIX_PATH=${work}/installed"
    "${CMAKE_COMMAND};--build;${work}/build"
    "${work}/build/consumer"
    "${configure};-B;${work}/without;-DCMAKE_PREFIX_PATH=${work}/installed;-DRATELIMIT_HIREDIS_LIBRARY="
    "${CMAKE_COMMAND};--build;${work}/without"
    "${work}/without/consumer")
  execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endforeach()

file(GLOB_RECURSE module ${work}/installed/*/ratelimit.so)
if(EXISTS ${BINARY_DIR}/ratelimit.so)
  execute_process(COMMAND test -x "${module}" COMMAND_ERROR_IS_FATAL ANY)
  file(STRINGS ${work}/installed/share/ratelimit/ratelimit.conf line REGEX "^loadmodule ")
  if(NOT line STREQUAL "loadmodule ${module}")
    message(FATAL_ERROR "The configuration says: ${line}. The module is ${module}.")
  endif()
endif()
