# Options that core and binding share: warnings, optimisation, OpenMP, sanitizers and coverage.
function(reviewkd_compile_options target)
  # Messages of libtorch's checks contain the paths of its headers. Strip this machine's directories, so that the same
  # sources produce the same bytes wherever they are located.
  set(prefix_maps "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=" "-ffile-prefix-map=${CMAKE_BINARY_DIR}/=build/" "-ffile-prefix-map=${REVIEWKD_LIBTORCH_DIR}/=libtorch/")
  if(REVIEWKD_COVERAGE)
    # gcov opens the sources by the names that the compiler notes.
    set(prefix_maps "")
  endif()

  if(MSVC)
    # clang-cl forwards what follows /clang:. LibTorch::cpu names OpenMP's runtime here, too.
    list(TRANSFORM prefix_maps PREPEND "/clang:")
    target_compile_options(${target} PRIVATE /W4 /EHsc /bigobj /utf-8 /openmp ${prefix_maps})
    target_compile_definitions(${target} PRIVATE NOMINMAX _USE_MATH_DEFINES _CRT_SECURE_NO_WARNINGS)
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "OBJECT_LIBRARY")
      # No link timestamp in the file, for the same reason, and no second OpenMP runtime.
      target_link_options(${target} PRIVATE /Brepro /NODEFAULTLIB:libomp)
    endif()
    return()
  endif()

  target_compile_options(${target} PRIVATE -Wall -Wextra ${prefix_maps})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 reports false overflows in std::string's operator+ (GCC bug 105651).
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # On ARM, GCC notes that the ABI for passing pairs of numbers changed in GCC 10. With these bounds, the compiler
    # collects its own garbage less often: a tenth faster for a tenth more memory.
    target_compile_options(${target} PRIVATE -Wno-psabi
      "SHELL:--param ggc-min-expand=400" "SHELL:--param ggc-min-heapsize=1000000")
  endif()
  # at::parallel_for is inlined from libtorch's headers as OpenMP. LibTorch::cpu links the runtime, libtorch's own
  # copy: -fopenmp at link time would add the compiler's as well. Apple's clang supports OpenMP but has no driver
  # option for it.
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

# For code whose own speed does not matter, as it hands arguments to the core and results back: it compiles faster.
function(reviewkd_optimize_less target)
  if(NOT MSVC AND NOT REVIEWKD_COVERAGE)
    target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:-O1>")
  endif()
endfunction()
