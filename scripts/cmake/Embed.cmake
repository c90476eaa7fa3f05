# tailor_embed(TARGET NAME FUNCTION NAMESPACE ... ROOT DIR FILES ...): the files' bytes as a table
# in a generated source.
# The table is `Span<const EmbeddedFile> FUNCTION()`; paths are relative to ROOT.
function(tailor_embed)
  cmake_parse_arguments(ARG "" "TARGET;FUNCTION;ROOT" "FILES" ${ARGN})
  set(output ${CMAKE_BINARY_DIR}/generated/${ARG_FUNCTION}.cc)
  list(SORT ARG_FILES)
  string(REPLACE ";" "," files "${ARG_FILES}")
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DFUNCTION=${ARG_FUNCTION} -DROOT=${ARG_ROOT}
            "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/scripts/cmake/EmbedScript.cmake
    DEPENDS ${ARG_FILES} ${CMAKE_SOURCE_DIR}/scripts/cmake/EmbedScript.cmake
    VERBATIM)
  set_source_files_properties(${output} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(${ARG_TARGET} PRIVATE ${output})
endfunction()
