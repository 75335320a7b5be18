# The kernels of native/core/ops (files in folders named kernels) are compiled once per instruction set, each file
# with its own flags; the variant is selected at run time. They are excluded from unity files and precompiled headers,
# which are compiled for the baseline processor.

file(GLOB kernel_sources CONFIGURE_DEPENDS 
  "${CMAKE_SOURCE_DIR}/native/core/ops/kernels/*.cpp" "${CMAKE_SOURCE_DIR}/native/core/ops/convolution/kernels/*.cpp")
set(x86_kernel_sources ${kernel_sources})
list(FILTER x86_kernel_sources INCLUDE REGEX "_(avx2|avx512)")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  add_compile_definitions(REVIEWKD_X86_KERNELS)
else()
  list(REMOVE_ITEM core_sources ${x86_kernel_sources})
endif()

foreach(source IN LISTS kernel_sources)
  # No function with vector parameters or results leaves its file. GCC 12's own intrinsics trigger its
  # uninitialized-value warning. Where its loops lie in cache lines decides some percent of a kernel's time: aligned,
  # they lie alike whatever else is linked.
  set(options -O3 -ffp-contract=fast -falign-functions=64 -Wno-psabi -Wno-maybe-uninitialized)
  if(source MATCHES "_avx2")
    list(APPEND options -mavx2 -mfma)
  elseif(source MATCHES "_avx512")
    list(APPEND options -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mprefer-vector-width=512)
    if(source MATCHES "bfloat16")
      list(APPEND options -mavx512bf16)
    endif()
  endif()
  if(MSVC)
    # clang-cl has its own options; those it does not recognise are forwarded with /clang:.
    list(TRANSFORM options REPLACE "^(-[Of].*|-mprefer.*)$" "/clang:\\1")
  endif()
  set_source_files_properties("${source}" PROPERTIES
    COMPILE_OPTIONS "${options}" SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()

# Overlaps decide at exact thresholds and ties: a fused product and sum would round otherwise than box_iou does.
set(exact_source "${CMAKE_SOURCE_DIR}/native/core/ops/boxes/overlaps.cpp")
set_source_files_properties("${exact_source}" PROPERTIES
  COMPILE_OPTIONS "$<IF:$<BOOL:${MSVC}>,/clang:-ffp-contract=off,-ffp-contract=off>"
  SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
