# Options that core and binding share: warnings, optimisation, OpenMP, sanitizers and coverage.
function(reviewkd_compile_options target)
  # Messages of libtorch's checks carry the names of its headers: without the directories of this machine, so that the same sources
  # give the same bytes wherever they lie.
  set(prefix_maps "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=" "-ffile-prefix-map=${CMAKE_BINARY_DIR}/=build/" "-ffile-prefix-map=${REVIEWKD_LIBTORCH_DIR}/=libtorch/")
  if(REVIEWKD_COVERAGE)
    # gcov opens the sources by the names that the compiler notes.
    set(prefix_maps "")
  endif()

  if(MSVC)
    # clang-cl, which passes on what stands behind /clang:. OpenMP's runtime is named by LibTorch::cpu here, too.
    list(TRANSFORM prefix_maps PREPEND "/clang:")
    target_compile_options(${target} PRIVATE /W4 /EHsc /bigobj /utf-8 /openmp ${prefix_maps})
    target_compile_definitions(${target} PRIVATE NOMINMAX _USE_MATH_DEFINES _CRT_SECURE_NO_WARNINGS)
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "OBJECT_LIBRARY")
      # No time of linking in the file, for the same reason; and no second runtime of OpenMP.
      target_link_options(${target} PRIVATE /Brepro /NODEFAULTLIB:libomp)
    endif()
    return()
  endif()

  target_compile_options(${target} PRIVATE -Wall -Wextra ${prefix_maps})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees overflows in std::string's operator+ that are not there (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC notes on ARM that it passes pairs of numbers as it does since its version 10.
    target_compile_options(${target} PRIVATE -Wno-psabi)
  endif()
  # at::parallel_for is inlined from libtorch's headers as OpenMP. The runtime is linked by LibTorch::cpu, which names libtorch's own copy:
  # -fopenmp at link time would bring the compiler's in as well. Apple's clang has OpenMP, but no option of its own for it.
  if(APPLE)
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fopenmp")
  else()
    target_compile_options(${target} PRIVATE -fopenmp)
  endif()

  if(REVIEWKD_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${REVIEWKD_SANITIZE} -fno-omit-frame-pointer -g)
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "OBJECT_LIBRARY")
      target_link_options(${target} PRIVATE -fsanitize=${REVIEWKD_SANITIZE})
    endif()
  endif()

  if(REVIEWKD_COVERAGE)
    # Lines stay apart without the optimizations beyond -O1; several threads count the same ones.
    target_compile_options(${target} PRIVATE -O1 --coverage -fprofile-update=atomic)
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "OBJECT_LIBRARY")
      target_link_options(${target} PRIVATE --coverage)
    endif()
  endif()
endfunction()
