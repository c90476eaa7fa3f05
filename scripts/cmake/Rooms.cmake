# tailor_room(NAME [TORCH] DEPS rooms...): a room is src/NAME (sources, private headers),
# include/tailor/NAME (public headers) and tests/NAME. Its declared dependencies are checked here
# (they must exist) and by tests/tools/check_includes.py (every #include).
define_property(GLOBAL PROPERTY TAILOR_ROOMS)
set_property(GLOBAL PROPERTY TAILOR_ROOMS "")

function(tailor_room name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPS" ${ARGN})
  # A room may have folders (target/hls/operations); cli/torch is built with LibTorch.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX /cli/torch/)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/tailor/${name}/*.h)
  foreach(dep IN LISTS ARG_DEPS)
    if(NOT TARGET tailor_${dep})
      message(FATAL_ERROR "room ${name} depends on ${dep}, which is not a room declared before it")
    endif()
  endforeach()
  add_library(tailor_${name} OBJECT ${sources} ${headers})
  target_include_directories(tailor_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include
    PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(tailor_${name} PRIVATE tailor_compile_options PUBLIC fmt::fmt)
  if(ARG_TORCH)
    target_link_libraries(tailor_${name} PRIVATE tailor_libtorch)
  endif()
  if(TAILOR_VERIFY_HEADERS AND NOT ARG_TORCH AND headers)
    target_sources(tailor_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/include
      FILES ${headers})
    set_target_properties(tailor_${name} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  endif()
  set_property(GLOBAL APPEND PROPERTY TAILOR_ROOMS ${name})
endfunction()
