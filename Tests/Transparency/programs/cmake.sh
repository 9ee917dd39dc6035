# needs: cmake make gcc g++
# varies: build/CMakeFiles/* build/CMakeCache.txt build/Testing/*
set -eu
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.13)
project(sample C CXX)
include(CheckSymbolExists)
check_symbol_exists(strlcpy string.h HAVE_STRLCPY)
configure_file(config.h.in config.h)
add_library(part SHARED part.c)
add_executable(sample main.cc)
target_include_directories(sample PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(sample part)
install(TARGETS sample part)
enable_testing()
add_test(NAME runs COMMAND sample)
C
echo '#cmakedefine HAVE_STRLCPY' >config.h.in
echo 'int part(void) { return 7; }' >part.c
printf '#include <iostream>\n#include "config.h"\nextern "C" int part(void);\nint main() { std::cout << part() << std::endl; }\n' >main.cc
cmake -S . -B build 2>&1 | sed 's/([0-9.]*s)//'
cmake --build build -j2 2>&1 | grep -v Building | sort
./build/sample
cmake --install build --prefix installed | sed 's/Set runtime path.*//'
(cd build && ctest 2>&1 | sed -E 's/[0-9.]+ sec//')
