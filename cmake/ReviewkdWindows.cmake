# Extra requirements of linking on Windows: import libraries, Node's own symbols, and libraries next to the addon.
if(NOT WIN32)
  return()
endif()

include(ReviewkdImportLibrary)
file(TO_CMAKE_PATH "${CMAKE_JS_NODELIB_DEF}" CMAKE_JS_NODELIB_DEF)
file(TO_CMAKE_PATH "${CMAKE_JS_SRC}" CMAKE_JS_SRC)

# The Windows header defines macros with common names, so files that include it are excluded from unity files.
set(windows_sources ${core_sources} ${platform_sources} ${CMAKE_JS_SRC})
list(FILTER windows_sources INCLUDE REGEX "_windows[.]cpp$|win_delay_load_hook")
set_source_files_properties(${windows_sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)

# The module takes Node's symbols from the program that loads it, whatever its name: cmake-js provides the hook that
# does so.
function(reviewkd_node_module target)
  if(NOT CMAKE_JS_NODELIB_DEF OR NOT CMAKE_JS_SRC)
    message(FATAL_ERROR "no list of Node's exports for linking ${target}. Configure through `npm run build`, or set "
      "CMAKE_JS_NODELIB_DEF to node-api-headers' def/node_api.def and CMAKE_JS_SRC to cmake-js' lib/cpp/win_delay_load_hook.cc.")
  endif()
  set(node_library "${CMAKE_BINARY_DIR}/node.lib")
  if(NOT EXISTS "${node_library}")
    reviewkd_import_library("${CMAKE_JS_NODELIB_DEF}" "${node_library}")
  endif()
  target_sources(${target} PRIVATE ${CMAKE_JS_SRC})
  target_link_libraries(${target} PRIVATE "${node_library}" delayimp)
  target_link_options(${target} PRIVATE /DELAYLOAD:NODE.EXE)
endfunction()

# Windows has no run paths: a module's libraries are searched next to it. They are linked there, or copied where links
# are not supported.
function(reviewkd_adjacent_libraries target)
  file(GLOB libraries "${libtorch_library_dir}/*.dll")
  file(MAKE_DIRECTORY "${REVIEWKD_OUTPUT_DIR}")
  foreach(library IN LISTS libraries)
    get_filename_component(name "${library}" NAME)
    file(CREATE_LINK "${library}" "${REVIEWKD_OUTPUT_DIR}/${name}" COPY_ON_ERROR)
  endforeach()
endfunction()
