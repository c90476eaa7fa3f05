# cmake --install PREFIX: the program, its libraries beside it (../lib, whatever the prefix), the
# manual page, the shells' completion, and for other CMake projects the package tailor: the target
# tailor::tailor, every room without LibTorch, with its public headers.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Printed by the program itself, from the flags that it parses.
set(texts ${CMAKE_BINARY_DIR}/generated/install)
set(generated "")
function(tailor_print output)
  add_custom_command(OUTPUT ${texts}/${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${texts}
    COMMAND tailor_bin ${ARGN} > ${texts}/${output}
    DEPENDS tailor_bin tailor_lib VERBATIM)
  set(generated ${generated} ${texts}/${output} PARENT_SCOPE)
endfunction()
tailor_print(tailor.1 man)
tailor_print(tailor completion bash)
tailor_print(_tailor completion zsh)
tailor_print(tailor.fish completion fish)
add_custom_target(tailor_texts ALL DEPENDS ${generated})
install(FILES ${texts}/tailor.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${texts}/tailor DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${texts}/_tailor DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${texts}/tailor.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

set_target_properties(tailor_bin PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set_target_properties(tailor_lib PROPERTIES EXPORT_NAME tailor)
install(TARGETS tailor_bin RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS tailor_lib EXPORT tailor LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TAILOR_WITH_TORCH)
  set_target_properties(tailor_torch_lib PROPERTIES INSTALL_RPATH "$ORIGIN;${TAILOR_TORCH_FOLDER}")
  install(TARGETS tailor_torch_lib LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tailor)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/tailor DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  PATTERN nn EXCLUDE PATTERN train EXCLUDE)
install(EXPORT tailor NAMESPACE tailor:: FILE tailorTargets.cmake DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/tailorConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_SOURCE_DIR}/scripts/cmake/tailorConfig.cmake
  ${CMAKE_BINARY_DIR}/generated/tailorConfigVersion.cmake DESTINATION ${package})
