# A library to link with on Windows, of the names that a .def file lists. Microsoft's librarian comes first: LLVM's knows of .def files only since
# some version.
function(reviewkd_import_library def target)
  find_program(REVIEWKD_LIBRARIAN NAMES lib llvm-lib DOC "lib.exe, or an llvm-lib that knows /def")
  set(command "${REVIEWKD_LIBRARIAN}" /nologo /machine:x64 "/def:${def}" "/out:${target}")
  execute_process(COMMAND ${command} OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT EXISTS "${target}")
    message(FATAL_ERROR "expected a library of ${def} from ${REVIEWKD_LIBRARIAN}, got: ${said}\nrun the build in a developer prompt of Visual Studio, "
      "or name its lib.exe by REVIEWKD_LIBRARIAN")
  endif()
endfunction()
