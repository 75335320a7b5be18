# The recording CUDA runtime, which lets the package, its CUDA plugin and libtorch's CUDA half run without a GPU: see
# native/cuda/recording.
#
# `npm run check:cuda` configures this. It writes to REVIEWKD_RECORDING_GENERATED_DIR what it read from libtorch's
# libraries:
#   sonames.txt     the NVIDIA libraries that they load; an empty library is built for each name
#   generated.cpp   a weak definition of every function that they import from those
option(REVIEWKD_CUDA_RECORDING "Build the recording CUDA runtime for tests without a GPU" OFF)
if(NOT REVIEWKD_CUDA_RECORDING)
  return()
endif()

set(REVIEWKD_RECORDING_GENERATED_DIR "" CACHE PATH "Where sonames.txt and generated.cpp are")
set(REVIEWKD_CUDA_INCLUDE_DIR "" CACHE PATH "The directory with cuda_runtime_api.h")
find_library(reviewkd_recording_torch_cuda torch_cuda PATHS "${libtorch_library_dir}" NO_DEFAULT_PATH NO_CACHE REQUIRED)
find_library(reviewkd_recording_c10_cuda c10_cuda PATHS "${libtorch_library_dir}" NO_DEFAULT_PATH NO_CACHE REQUIRED)

function(reviewkd_recording_library target)
  reviewkd_compile_options(${target})
  target_include_directories(${target} PRIVATE native)
  target_include_directories(${target} SYSTEM PRIVATE "${REVIEWKD_CUDA_INCLUDE_DIR}")
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD OFF BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN" LIBRARY_OUTPUT_DIRECTORY "${REVIEWKD_OUTPUT_DIR}$<1:>")
endfunction()

file(GLOB reviewkd_recording_sources CONFIGURE_DEPENDS native/cuda/recording/*.cpp)
list(FILTER reviewkd_recording_sources EXCLUDE REGEX "/(control|plugin_kernels)[.]cpp$")

# The runtime itself. It exports only the functions of NVIDIA's libraries, because it is loaded ahead of everything
# else.
add_library(reviewkd_recording SHARED ${reviewkd_recording_sources} "${REVIEWKD_RECORDING_GENERATED_DIR}/generated.cpp")
reviewkd_recording_library(reviewkd_recording)
set_target_properties(reviewkd_recording PROPERTIES CXX_VISIBILITY_PRESET default)
target_link_options(reviewkd_recording PRIVATE -static-libstdc++ -static-libgcc -Wl,-z,defs "-Wl,--version-script=${CMAKE_SOURCE_DIR}/native/cuda/recording/exports.map")
set_property(TARGET reviewkd_recording APPEND PROPERTY LINK_DEPENDS "${CMAKE_SOURCE_DIR}/native/cuda/recording/exports.map")
target_link_libraries(reviewkd_recording PRIVATE ${CMAKE_DL_LIBS})

# Once a library of a given name is loaded, it is found by that name. Functions are resolved in the runtime, which is
# loaded earlier, or, when looked up by handle (dlsym of libcuda.so.1), in the library's own dependencies.
file(STRINGS "${REVIEWKD_RECORDING_GENERATED_DIR}/sonames.txt" reviewkd_recording_sonames)
file(WRITE "${CMAKE_BINARY_DIR}/empty.cpp" "")
set(reviewkd_recording_names "")
foreach(soname IN LISTS reviewkd_recording_sonames)
  string(MAKE_C_IDENTIFIER "recording_${soname}" name)
  add_library(${name} SHARED "${CMAKE_BINARY_DIR}/empty.cpp")
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX "" OUTPUT_NAME "${soname}")
  reviewkd_recording_library(${name})
  target_link_options(${name} PRIVATE -Wl,--no-as-needed)
  target_link_libraries(${name} PRIVATE reviewkd_recording)
  list(APPEND reviewkd_recording_names ${name})
endforeach()

# For LD_PRELOAD: loads all of them.
add_library(reviewkd_recording_preload SHARED "${CMAKE_BINARY_DIR}/empty.cpp")
reviewkd_recording_library(reviewkd_recording_preload)
target_link_options(reviewkd_recording_preload PRIVATE -Wl,--no-as-needed)
target_link_libraries(reviewkd_recording_preload PRIVATE reviewkd_recording ${reviewkd_recording_names})

add_library(reviewkd_recording_control MODULE native/cuda/recording/control.cpp)
reviewkd_recording_library(reviewkd_recording_control)
set_target_properties(reviewkd_recording_control PROPERTIES PREFIX "" SUFFIX ".node")
target_include_directories(reviewkd_recording_control SYSTEM PRIVATE "${NODE_API_HEADERS_DIR}")
target_link_libraries(reviewkd_recording_control PRIVATE ${CMAKE_DL_LIBS})

# The plugin, with kernels that the runtime runs on the host: requires no nvcc.
add_library(reviewkd_cuda_recorded MODULE native/cuda/plugin.cpp native/cuda/streams/streams.cpp native/cuda/streams/graph.cpp native/cuda/streams/graph_memory.cpp native/cuda/recording/plugin_kernels.cpp)
reviewkd_recording_library(reviewkd_cuda_recorded)
reviewkd_add_nccl(reviewkd_cuda_recorded "${REVIEWKD_CUDA_INCLUDE_DIR}")
target_compile_options(reviewkd_cuda_recorded PRIVATE -fno-strict-aliasing)
target_compile_definitions(reviewkd_cuda_recorded PRIVATE "REVIEWKD_CUDA_BUILT_FOR=\"the recording runtime\"")
target_link_libraries(reviewkd_cuda_recorded PRIVATE reviewkd_recording "${reviewkd_recording_torch_cuda}" "${reviewkd_recording_c10_cuda}" LibTorch::cpu)
target_link_options(reviewkd_cuda_recorded PRIVATE -Wl,-z,defs -Wl,-z,now -Wl,-z,nodelete -Wl,--allow-shlib-undefined)
set_target_properties(reviewkd_cuda_recorded PROPERTIES PREFIX "" SUFFIX ".so")

add_custom_target(reviewkd_recording_all DEPENDS reviewkd_recording_preload reviewkd_recording_control reviewkd_cuda_recorded)
