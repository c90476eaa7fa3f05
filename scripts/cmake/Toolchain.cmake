# Compiler settings: warnings and flags as INTERFACE targets, never as global variables.
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
# -O1 compiles faster; what runs for more than milliseconds asks for more (src/CMakeLists.txt).
set(CMAKE_CXX_FLAGS_RELEASE "-O1" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1" CACHE STRING "" FORCE)

# The preset dev compiles file by file, so that none forgets an #include.
set(CMAKE_UNITY_BUILD ${TAILOR_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 6)

if(TAILOR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(TAILOR_CCACHE_PROGRAM ccache)
  if(TAILOR_CCACHE_PROGRAM)
    # Without this sloppiness files that use the tests' precompiled header are never cached.
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros
      ${TAILOR_CCACHE_PROGRAM})
  endif()
endif()
# The default linker, not lld: lld 14 links g++ 12's cold landing pads so that an exception aborts
# in _Unwind_Resume (docs/design/0005).

add_library(tailor_compile_options INTERFACE)
target_compile_options(tailor_compile_options INTERFACE -Wall -Wextra -Wshadow -Wconversion
  -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees uninitialised reads in every std::optional (PR 80635).
  target_compile_options(tailor_compile_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(TAILOR_WERROR)
  target_compile_options(tailor_compile_options INTERFACE -Werror)
endif()
if(TAILOR_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(TAILOR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(pugixml REQUIRED)

# What users' own files are read with (scripts/setup.sh installs all).
find_package(PkgConfig REQUIRED)
pkg_check_modules(TAILOR_IMAGES REQUIRED IMPORTED_TARGET libjpeg libturbojpeg libpng libarchive
  matio zlib)
pkg_check_modules(TAILOR_AUDIO REQUIRED IMPORTED_TARGET sndfile kissfft-float)
add_library(tailor_image_libraries INTERFACE)
target_link_libraries(tailor_image_libraries INTERFACE PkgConfig::TAILOR_IMAGES
  PkgConfig::TAILOR_AUDIO)
# Only its types: the data set flite opens the library when it is wanted.
find_path(TAILOR_FLITE_INCLUDE flite/flite.h)
if(TAILOR_WITH_FLITE AND NOT TAILOR_FLITE_INCLUDE)
  message(STATUS "flite is not there (flite1-dev): the data set flite is left out")
endif()

# Alignments of called bases: parasail where it is there, the program's own otherwise.
option(TAILOR_WITH_PARASAIL "Align called bases by parasail if it is installed" ON)
add_library(tailor_alignment INTERFACE)
if(TAILOR_WITH_PARASAIL)
  pkg_check_modules(TAILOR_PARASAIL IMPORTED_TARGET parasail-1)
  if(TAILOR_PARASAIL_FOUND)
    target_link_libraries(tailor_alignment INTERFACE PkgConfig::TAILOR_PARASAIL)
    target_compile_definitions(tailor_alignment INTERFACE TAILOR_WITH_PARASAIL)
  else()
    message(STATUS "parasail is not there (libparasail-dev): alignments are the program's own")
  endif()
endif()

# fast5 files through HDF5 where it is there.
option(TAILOR_WITH_HDF5 "Read fast5 files if HDF5 is installed" ON)
add_library(tailor_hdf5 INTERFACE)
if(TAILOR_WITH_HDF5)
  pkg_check_modules(TAILOR_HDF5 IMPORTED_TARGET hdf5)
  if(TAILOR_HDF5_FOUND)
    target_link_libraries(tailor_hdf5 INTERFACE PkgConfig::TAILOR_HDF5)
    target_compile_definitions(tailor_hdf5 INTERFACE TAILOR_WITH_HDF5)
  else()
    message(STATUS "HDF5 is not there (libhdf5-dev): fast5 files are not read")
  endif()
endif()
