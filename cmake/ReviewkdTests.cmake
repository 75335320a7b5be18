# The C++ tests in native/tests: GoogleTest on the core's objects. `npm run build:tests` configures with -DREVIEWKD_TESTS=ON and builds the target
# reviewkd_tests, which no other build includes; `npm run test:native` runs it through CTest.
option(REVIEWKD_TESTS "Describe the C++ tests; needs GoogleTest" OFF)
if(NOT REVIEWKD_TESTS)
  return()
endif()

# The system's GoogleTest (Debian and Ubuntu: libgtest-dev), or else a pinned release from GitHub.
find_package(GTest QUIET)
if(NOT GTest_FOUND)
  message(STATUS "No GoogleTest on this machine: fetching release 1.17.0")
  include(FetchContent)
  if(POLICY CMP0135)
    cmake_policy(SET CMP0135 NEW)  # unpacked files have the time of unpacking
  endif()
  set(INSTALL_GTEST OFF CACHE INTERNAL "")
  set(BUILD_GMOCK OFF CACHE INTERNAL "")
  # GoogleTest would choose the static runtime on Windows.
  set(gtest_force_shared_crt ON CACHE INTERNAL "")
  FetchContent_Declare(googletest
    URL https://github.com/google/googletest/releases/download/v1.17.0/googletest-1.17.0.tar.gz
    URL_HASH SHA256=65fab701d9829d38cb77c14acdc431d2108bfdbf8979e40eb8ae567edf10b27c)
  FetchContent_MakeAvailable(googletest)
  set_property(DIRECTORY "${googletest_SOURCE_DIR}" PROPERTY EXCLUDE_FROM_ALL ON)
endif()

enable_testing()

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/native/tests/*.cpp")
# The device's kernels on the host: one program text for nvcc and for this compiler, which Windows does not build. Shared memory holds floats in one
# phase and doubles in the next.
set(device_test_sources ${test_sources})
list(FILTER device_test_sources INCLUDE REGEX "/native/tests/cuda/")
if(WIN32)
  list(REMOVE_ITEM test_sources ${device_test_sources})
endif()
set_source_files_properties(${device_test_sources} PROPERTIES
  COMPILE_OPTIONS "-fno-strict-aliasing" SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)

add_executable(reviewkd_tests EXCLUDE_FROM_ALL ${test_sources})
reviewkd_compile_options(reviewkd_tests)
target_include_directories(reviewkd_tests SYSTEM PRIVATE native/core/distributed/gloo_headers)
target_link_libraries(reviewkd_tests PRIVATE reviewkd_core reviewkd_formats GTest::gtest GTest::gtest_main)
# A precompiled header is valid for the options it was made with: the core's objects are position independent, so these are as well.
if(NOT MSVC)
  # The tests' own loops, over small tensors, run fast enough without the optimizations that take the compiler longest.
  target_compile_options(reviewkd_tests PRIVATE -fPIC -O1)
endif()
set_target_properties(reviewkd_tests PROPERTIES POSITION_INDEPENDENT_CODE OFF BUILD_RPATH "${LibTorch_RUNTIME_DIRS}")
target_precompile_headers(reviewkd_tests REUSE_FROM reviewkd_core)

# One process for all tests, as loading libtorch takes longer than most of them. Operations choose their kernels once per process: two more
# have fewer instruction sets.
# Threads that wait for each other sleep, so that they leave the processors to the others.
foreach(capability IN ITEMS native avx2 default)
  add_test(NAME "reviewkd_tests_${capability}" COMMAND reviewkd_tests --gtest_brief=1)
  set(environment "OMP_WAIT_POLICY=passive")
  if(NOT capability STREQUAL "native")
    list(APPEND environment "ATEN_CPU_CAPABILITY=${capability}")
  endif()
  set_tests_properties("reviewkd_tests_${capability}" PROPERTIES ENVIRONMENT "${environment}")
endforeach()

# The operations of detectors once more, as a device computes them: by its kernels on the host. Statistics of several processes take other paths than
# these kernels.
if(TARGET reviewkd_host_emulation)
  add_dependencies(reviewkd_tests reviewkd_host_emulation)
  add_test(NAME reviewkd_tests_host_emulation COMMAND reviewkd_tests --gtest_brief=1 "--gtest_filter=*Nms*:*RoiAlign*:*FocalLoss*:*PasteMasks*:*SyncedNorm*:*SyncedFusion*")
  set_tests_properties(reviewkd_tests_host_emulation PROPERTIES
    ENVIRONMENT "OMP_WAIT_POLICY=passive;REVIEWKD_CUDA_PLUGIN=$<TARGET_FILE:reviewkd_host_emulation>")
endif()
