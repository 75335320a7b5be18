# The plugin for CUDA devices, and the host emulation that replaces it in tests.
#
# -DREVIEWKD_CUDA=ON builds it with the nvcc of REVIEWKD_CUDA_TOOLKIT_DIR, or of PATH, against the CUDA build of
# libtorch that REVIEWKD_LIBTORCH_DIR names. CMake's own CUDA language is not used: it does not know the directory
# layout of pip's toolkit, and nvcc compiles only one file.

# The device's kernels, run thread by thread on the CPU.
if(UNIX)
  add_library(reviewkd_host_emulation MODULE native/cuda/host_emulation/host_emulation.cpp)
  reviewkd_compile_options(reviewkd_host_emulation)
  # Shared memory holds floats in one phase and doubles in the next.
  target_compile_options(reviewkd_host_emulation PRIVATE -fno-strict-aliasing)
  target_include_directories(reviewkd_host_emulation PRIVATE native)
  set_target_properties(reviewkd_host_emulation PROPERTIES
    PREFIX "" OUTPUT_NAME reviewkd_host_emulation SUFFIX ".so" UNITY_BUILD OFF
    LIBRARY_OUTPUT_DIRECTORY "${REVIEWKD_OUTPUT_DIR}$<1:>")
endif()

include("${CMAKE_CURRENT_LIST_DIR}/ReviewkdNccl.cmake")

option(REVIEWKD_CUDA "Build the plugin for CUDA devices" OFF)
if(NOT REVIEWKD_CUDA)
  return()
endif()

set(REVIEWKD_CUDA_TOOLKIT_DIR "" CACHE PATH "The CUDA toolkit, with bin/nvcc and include; empty for the one of PATH")
set(REVIEWKD_CUDA_ARCHITECTURES "" CACHE STRING "Such as 80;90; empty for all that the compiler knows of a list")

find_program(reviewkd_nvcc nvcc HINTS "${REVIEWKD_CUDA_TOOLKIT_DIR}/bin" "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin NO_CACHE REQUIRED)
# nvcc looks for nvcc.profile, which lists its include directories, in the directory it is invoked from, without
# resolving links.
get_filename_component(reviewkd_nvcc "${reviewkd_nvcc}" REALPATH)
get_filename_component(reviewkd_toolkit "${reviewkd_nvcc}/../.." ABSOLUTE)
find_path(reviewkd_cuda_include cuda_runtime_api.h HINTS "${reviewkd_toolkit}/include" "${reviewkd_toolkit}/targets/x86_64-linux/include" NO_CACHE REQUIRED)

find_library(reviewkd_torch_cuda torch_cuda PATHS "${libtorch_library_dir}" NO_DEFAULT_PATH NO_CACHE REQUIRED)
find_library(reviewkd_c10_cuda c10_cuda PATHS "${libtorch_library_dir}" NO_DEFAULT_PATH NO_CACHE REQUIRED)
# The CUDA runtime that libtorch loads, wherever its build keeps it: pip's layout next to torch, libtorch's own
# directory, or the toolkit.
file(GLOB reviewkd_cudart
  "${REVIEWKD_LIBTORCH_DIR}/../nvidia/*/lib/libcudart.so.[0-9][0-9]" "${libtorch_library_dir}/libcudart*.so*" "${reviewkd_toolkit}/lib64/libcudart.so"
  "${reviewkd_toolkit}/lib/libcudart.so.[0-9][0-9]")
if(NOT reviewkd_cudart)
  message(FATAL_ERROR "no libcudart for the CUDA plugin next to ${REVIEWKD_LIBTORCH_DIR} or in ${reviewkd_toolkit}. Set REVIEWKD_CUDA_TOOLKIT_DIR.")
endif()
list(GET reviewkd_cudart 0 reviewkd_cudart)

# Code for one device also runs on later ones of the same generation; devices newer than the newest listed get PTX
# compiled by their driver.
if(REVIEWKD_CUDA_ARCHITECTURES)
  set(reviewkd_architectures ${REVIEWKD_CUDA_ARCHITECTURES})
else()
  execute_process(COMMAND "${reviewkd_nvcc}" --list-gpu-arch OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
  set(reviewkd_architectures "")
  foreach(architecture IN ITEMS 75 80 86 90 100 120)
    if(known MATCHES "compute_${architecture}[^0-9a-z]")
      list(APPEND reviewkd_architectures ${architecture})
    endif()
  endforeach()
endif()
set(reviewkd_codes "")
foreach(architecture IN LISTS reviewkd_architectures)
  list(APPEND reviewkd_codes -gencode "arch=compute_${architecture},code=sm_${architecture}")
endforeach()
list(GET reviewkd_architectures -1 newest)
list(APPEND reviewkd_codes -gencode "arch=compute_${newest},code=compute_${newest}")
list(JOIN reviewkd_architectures ", " reviewkd_built_for)

set(reviewkd_nvcc_options -std=c++20 -O3 -ccbin "${CMAKE_CXX_COMPILER}" -Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra,-ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -I native)
set(reviewkd_kernels "${CMAKE_BINARY_DIR}/kernels.o")
file(GLOB reviewkd_kernel_headers CONFIGURE_DEPENDS native/cuda/*.h native/cuda/kernels/*.h)
add_custom_command(OUTPUT "${reviewkd_kernels}"
  COMMAND "${reviewkd_nvcc}" ${reviewkd_nvcc_options} ${reviewkd_codes} --threads 0 -c native/cuda/kernels.cu -o "${reviewkd_kernels}"
  WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" VERBATIM COMMENT "Compiling the CUDA kernels for ${reviewkd_built_for}"
  DEPENDS native/cuda/kernels.cu native/core/ops/backend/kernel_backend.h ${reviewkd_kernel_headers})

# The same for one device, with ptxas's report of each kernel's registers and memory. Separate, because the output for
# several devices would interleave.
add_custom_target(reviewkd_kernel_resources
  COMMAND "${reviewkd_nvcc}" ${reviewkd_nvcc_options} -arch=sm_90 -cubin -Xptxas=-v native/cuda/kernels.cu -o "${CMAKE_BINARY_DIR}/kernels.cubin"
  WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" VERBATIM COMMENT "Listing the registers and memory of the CUDA kernels for sm_90")

add_library(reviewkd_cuda MODULE native/cuda/plugin.cpp native/cuda/streams/streams.cpp native/cuda/streams/graph.cpp native/cuda/streams/graph_memory.cpp "${reviewkd_kernels}")
reviewkd_compile_options(reviewkd_cuda)
target_compile_definitions(reviewkd_cuda PRIVATE "REVIEWKD_CUDA_BUILT_FOR=\"sm ${reviewkd_built_for}, PTX ${newest}\"")
target_include_directories(reviewkd_cuda PRIVATE native)
target_include_directories(reviewkd_cuda SYSTEM PRIVATE "${reviewkd_cuda_include}")
reviewkd_add_nccl(reviewkd_cuda "${reviewkd_cuda_include}")
target_link_libraries(reviewkd_cuda PRIVATE "${reviewkd_torch_cuda}" "${reviewkd_c10_cuda}" "${reviewkd_cudart}" LibTorch::cpu)
# Resolves every symbol at link time rather than on the machine of a GPU user. The plugin's libraries are loaded
# before it, so it needs no run path.
target_link_options(reviewkd_cuda PRIVATE -Wl,-z,defs -Wl,-z,now -Wl,-z,nodelete -Wl,--allow-shlib-undefined)
set_target_properties(reviewkd_cuda PROPERTIES
  PREFIX "" OUTPUT_NAME reviewkd_cuda SUFFIX ".so" UNITY_BUILD OFF BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN"
  LIBRARY_OUTPUT_DIRECTORY "${REVIEWKD_OUTPUT_DIR}$<1:>")
