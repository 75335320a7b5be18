# NCCL in a plugin for CUDA devices: the headers that libtorch's ProcessGroupNCCL.hpp includes. The library comes with
# libtorch's CUDA half and is not linked.
set(REVIEWKD_NCCL_INCLUDE_DIR "" CACHE PATH "The directory with nccl.h of the version that libtorch was built with; empty for pip's next to libtorch, or the system's")

function(reviewkd_add_nccl target cuda_include)
  find_path(nccl_include nccl.h HINTS "${REVIEWKD_NCCL_INCLUDE_DIR}" "${REVIEWKD_LIBTORCH_DIR}/../nvidia/nccl/include" "${cuda_include}" NO_CACHE)
  if(NOT nccl_include)
    message(FATAL_ERROR "no nccl.h for the CUDA plugin next to ${REVIEWKD_LIBTORCH_DIR} or in ${cuda_include}. Set REVIEWKD_NCCL_INCLUDE_DIR to that of the NCCL that libtorch was built with.")
  endif()
  # Included by cuda_fp16.h.
  find_path(cccl_include nv/target HINTS "${cuda_include}" "${cuda_include}/cccl" NO_CACHE)
  if(NOT cccl_include)
    message(FATAL_ERROR "no nv/target for the CUDA plugin in ${cuda_include}. Install nvidia-cuda-cccl, or set REVIEWKD_CUDA_TOOLKIT_DIR to a whole toolkit.")
  endif()
  target_sources(${target} PRIVATE "${CMAKE_SOURCE_DIR}/native/cuda/nccl/nccl.cpp")
  # libtorch's wheels require the libraries of these headers, but pip's toolkit is without them.
  target_include_directories(${target} SYSTEM PRIVATE native/cuda/nccl/library_headers "${cccl_include}" "${nccl_include}")
endfunction()
