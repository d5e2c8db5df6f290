# SPDX-License-Identifier: MIT
# The door itself: messages made from proto/ by protoc, and the server of gRPC.
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)

set(proto_dir ${CMAKE_CURRENT_SOURCE_DIR}/proto)
set(made_dir ${CMAKE_CURRENT_BINARY_DIR}/made)
file(GLOB_RECURSE protos RELATIVE ${proto_dir} CONFIGURE_DEPENDS ${proto_dir}/*.proto)
set(made)
foreach(proto IN LISTS protos)
  string(REGEX REPLACE "[.]proto$" "" stem ${proto})
  list(APPEND made ${made_dir}/${stem}.pb.cc)
endforeach()
set(service envoy/service/ratelimit/v3/rls)
list(APPEND made ${made_dir}/${service}.grpc.pb.cc)
list(TRANSFORM protos PREPEND ${proto_dir}/ OUTPUT_VARIABLE proto_files)
add_custom_command(
  OUTPUT ${made}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${made_dir}
  COMMAND protobuf::protoc --proto_path=${proto_dir} --cpp_out=${made_dir} ${protos}
  COMMAND protobuf::protoc --proto_path=${proto_dir} --grpc_out=${made_dir}
          --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${service}.proto
  DEPENDS ${proto_files}
  VERBATIM)

# What protoc makes is not written for our warnings.
add_library(check_service_envoy_messages STATIC ${made})
target_compile_features(check_service_envoy_messages PUBLIC cxx_std_20)
target_include_directories(check_service_envoy_messages SYSTEM PUBLIC ${made_dir})
target_link_libraries(check_service_envoy_messages PUBLIC gRPC::grpc++ protobuf::libprotobuf)
target_precompile_headers(check_service_envoy_messages PRIVATE <google/protobuf/util/json_util.h>)

add_library(check_service_envoy STATIC
  src/acceptor.cpp
  src/checker.cpp
  src/envoy_metrics.cpp
  src/file_watch.cpp
  src/grpc_door.cpp
  src/grpc_tls.cpp
  src/rule_book.cpp
  src/wire.cpp
)
target_link_libraries(check_service_envoy PUBLIC check_service_envoy_rules PRIVATE check_service_envoy_messages)
target_precompile_headers(check_service_envoy PRIVATE <grpcpp/grpcpp.h> ${PROJECT_SOURCE_DIR}/include/ratelimit/client.h)
