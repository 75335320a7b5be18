# Creates an import library for Windows from the names in a .def file. Microsoft's librarian is preferred: LLVM's
# supports .def files only in recent versions.
function(reviewkd_import_library def target)
  find_program(REVIEWKD_LIBRARIAN NAMES lib llvm-lib DOC "lib.exe, or an llvm-lib that supports /def")
  set(command "${REVIEWKD_LIBRARIAN}" /nologo /machine:x64 "/def:${def}" "/out:${target}")
  execute_process(COMMAND ${command} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT EXISTS "${target}")
    message(FATAL_ERROR "cannot create a library of ${def} with ${REVIEWKD_LIBRARIAN}: ${output}\nRun the build in a developer prompt of Visual Studio, "
      "or set REVIEWKD_LIBRARIAN to its lib.exe.")
  endif()
endfunction()
