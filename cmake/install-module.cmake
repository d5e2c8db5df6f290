# SPDX-License-Identifier: MIT
# What `cmake --install` does with the module: the module itself, lines for the server's configuration, what
# monitors it, the documents.
# Modules of other packages lie in lib/redis/modules (Debian) or lib64/redis/modules (Fedora); Valkey loads from there too.
set(RATELIMIT_MODULE_DIR ${CMAKE_INSTALL_LIBDIR}/redis/modules CACHE STRING "Folder to install the module into")
set(RATELIMIT_LICENCE_TEXTS "" CACHE STRING "Texts of licences to install, where the system has none of its own to refer to")

# The servers refuse a module that is not executable, and on Debian CMake installs libraries without that bit.
install(TARGETS ratelimit_module LIBRARY DESTINATION ${RATELIMIT_MODULE_DIR} COMPONENT module
  PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

# The prefix is known when it is installed: `cmake --install --prefix` may name another one.
set(conf_dir ${CMAKE_INSTALL_DATADIR}/ratelimit)
install(CODE "
  set(RATELIMIT_CONF_FILE \"\${CMAKE_INSTALL_PREFIX}/${conf_dir}/ratelimit.conf\")
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_PREFIX NORMALIZE OUTPUT_VARIABLE prefix)
  set(RATELIMIT_MODULE_FILE \"${RATELIMIT_MODULE_DIR}/ratelimit.so\")
  cmake_path(ABSOLUTE_PATH RATELIMIT_MODULE_FILE BASE_DIRECTORY \"\${prefix}\" NORMALIZE)
  configure_file(\"${PROJECT_SOURCE_DIR}/packaging/ratelimit.conf.in\" \"${PROJECT_BINARY_DIR}/ratelimit.conf\" @ONLY)
" COMPONENT module)
install(FILES ${PROJECT_BINARY_DIR}/ratelimit.conf DESTINATION ${conf_dir} COMPONENT module)

# For servers that load no modules.
install(FILES functions/ratelimit.lua DESTINATION ${CMAKE_INSTALL_DOCDIR}/functions COMPONENT module)
# What Prometheus, its exporter and Grafana are given: docs/monitoring.md.
install(DIRECTORY monitoring DESTINATION ${conf_dir} COMPONENT module)

# As they lie in the tree, so that links between them work; and the pictures that they show.
install(FILES README.md SECURITY.md packaging/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT module)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT module
  FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")
foreach(picture IN ITEMS bench/results/short bench/results/rates bench/results/bytes
    examples/cluster-of-nodes/results/admitted examples/cluster-of-nodes/results/returns
    examples/cluster-of-nodes/results/failover examples/cluster-of-nodes/results/plan)
  cmake_path(GET picture PARENT_PATH folder)
  install(FILES ${picture}.svg DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder} COMPONENT module)
endforeach()
install(FILES ${RATELIMIT_LICENCE_TEXTS} DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/ratelimit COMPONENT module)
