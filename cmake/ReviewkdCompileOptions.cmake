# Options that core and binding share: warnings, optimisation, OpenMP and sanitizers.
function(reviewkd_compile_options target)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 /EHsc /bigobj /utf-8)
    return()
  endif()

  # Messages of libtorch's checks carry the names of its headers: without the directories of this machine, so that the same sources
  # give the same bytes wherever they lie.
  target_compile_options(${target} PRIVATE -Wall -Wextra
    "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=" "-ffile-prefix-map=${CMAKE_BINARY_DIR}/=build/" "-ffile-prefix-map=${REVIEWKD_LIBTORCH_DIR}/=libtorch/")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees overflows in std::string's operator+ that are not there (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
  endif()
  if(NOT APPLE)
    # at::parallel_for is inlined from libtorch's headers as OpenMP. The runtime is linked by LibTorch::cpu, which names libtorch's own copy:
    # -fopenmp at link time would bring the compiler's in as well.
    target_compile_options(${target} PRIVATE -fopenmp)
  endif()

  if(REVIEWKD_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${REVIEWKD_SANITIZE} -fno-omit-frame-pointer -g)
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "OBJECT_LIBRARY")
      target_link_options(${target} PRIVATE -fsanitize=${REVIEWKD_SANITIZE})
    endif()
  endif()
endfunction()
