# Finds the CPU half of libtorch. Defines LibTorch::cpu, LibTorch_VERSION and LibTorch_RUNTIME_DIRS.
#
# REVIEWKD_LIBTORCH_DIR names the directory that holds lib/ and include/. If unset, scripts/libtorch.ts searches, so
# the search order is defined in one place. TorchConfig.cmake is not used: that of a CUDA build requires a full CUDA
# toolkit.

set(REVIEWKD_LIBTORCH_DIR "" CACHE PATH "The libtorch directory, with lib/ and include/; empty to search for it")

if(NOT REVIEWKD_LIBTORCH_DIR)
  find_program(REVIEWKD_NODE node REQUIRED)
  execute_process(
    COMMAND "${REVIEWKD_NODE}" --import tsx scripts/libtorch.ts locate --json
    WORKING_DIRECTORY "${CMAKE_CURRENT_LIST_DIR}/.."
    OUTPUT_VARIABLE located ERROR_VARIABLE location_error RESULT_VARIABLE location_status)
  if(NOT location_status EQUAL 0)
    message(FATAL_ERROR "${location_error}")
  endif()
  string(JSON found_directory GET "${located}" directory)
  set_property(CACHE REVIEWKD_LIBTORCH_DIR PROPERTY VALUE "${found_directory}")
endif()

set(libtorch_include_dir "${REVIEWKD_LIBTORCH_DIR}/include")
set(libtorch_api_include_dir "${libtorch_include_dir}/torch/csrc/api/include")
set(libtorch_version_header "${libtorch_include_dir}/torch/headeronly/version.h")
if(NOT EXISTS "${libtorch_version_header}")
  set(libtorch_version_header "${libtorch_api_include_dir}/torch/version.h")
endif()

set(LibTorch_VERSION "")
if(EXISTS "${libtorch_version_header}")
  file(STRINGS "${libtorch_version_header}" version_lines REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  string(REGEX REPLACE "#define TORCH_VERSION_[A-Z]+ +" "" version_parts "${version_lines}")
  list(JOIN version_parts "." LibTorch_VERSION)
endif()

set(libtorch_library_dir "${REVIEWKD_LIBTORCH_DIR}/lib")
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${libtorch_library_dir}" NO_DEFAULT_PATH NO_CACHE)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${libtorch_library_dir}" NO_DEFAULT_PATH NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY libtorch_include_dir LibTorch_VERSION
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "looked in REVIEWKD_LIBTORCH_DIR=${REVIEWKD_LIBTORCH_DIR} – `npm run build` finds or fetches libtorch")
if(LibTorch_VERSION VERSION_LESS 2.11 OR LibTorch_VERSION VERSION_GREATER_EQUAL 2.16)
  message(FATAL_ERROR "invalid libtorch: expected 2.11 to 2.15, received ${LibTorch_VERSION} in ${REVIEWKD_LIBTORCH_DIR}. "
    "Set REVIEWKD_LIBTORCH to a supported one.")
endif()

# libtorch ships its own OpenMP runtime: under a custom name in some releases, in torch.libs next to torch in others.
set(libtorch_openmp "")
if(UNIX AND NOT APPLE)
  file(GLOB libtorch_openmp "${libtorch_library_dir}/libgomp*.so*" "${REVIEWKD_LIBTORCH_DIR}/../torch.libs/libgomp*.so*")
  if(libtorch_openmp)
    list(GET libtorch_openmp 0 libtorch_openmp)
  else()
    set(libtorch_openmp gomp)
  endif()
elseif(APPLE)
  # Its header is among libtorch's own.
  set(libtorch_openmp "${libtorch_library_dir}/libomp.dylib")
  if(NOT EXISTS "${libtorch_openmp}")
    message(FATAL_ERROR "no OpenMP runtime of libtorch at ${libtorch_openmp}. "
      "Set REVIEWKD_LIBTORCH to the torch directory of PyTorch's own wheel, which has it.")
  endif()
elseif(WIN32)
  # The wheel contains Intel's runtime but no import library to link with.
  set(libtorch_openmp "${CMAKE_BINARY_DIR}/libiomp5md.lib")
  include(ReviewkdImportLibrary)
  reviewkd_import_library("${CMAKE_CURRENT_LIST_DIR}/libiomp5md.def" "${libtorch_openmp}")
endif()

set(LibTorch_RUNTIME_DIRS "${libtorch_library_dir}")
if(IS_ABSOLUTE "${libtorch_openmp}")
  get_filename_component(openmp_dir "${libtorch_openmp}" DIRECTORY)
  list(APPEND LibTorch_RUNTIME_DIRS "${openmp_dir}")
  list(REMOVE_DUPLICATES LibTorch_RUNTIME_DIRS)
endif()

if(NOT TARGET LibTorch::cpu)
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${libtorch_include_dir};${libtorch_api_include_dir}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${libtorch_include_dir};${libtorch_api_include_dir}"
    INTERFACE_LINK_LIBRARIES "${LibTorch_CPU_LIBRARY};${LibTorch_C10_LIBRARY};${libtorch_openmp}")
  if(UNIX AND NOT APPLE)
    set_target_properties(LibTorch::cpu PROPERTIES INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1")
    # libtorch_cpu.so of a CUDA build finds the CUDA runtime through its own run path, which the linker does not
    # follow.
    set_property(TARGET LibTorch::cpu APPEND PROPERTY INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined")
  endif()
endif()
