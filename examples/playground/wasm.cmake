# SPDX-License-Identifier: MIT
# Debian's clang, its C++ library and its libc for WebAssembly. Debian's emscripten 3.1.6 does not do: the C++ library
# that it brings is of 2021, and lacks what the core uses (std::chrono's <=>, std::ranges, make_unique_for_overwrite).
set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
