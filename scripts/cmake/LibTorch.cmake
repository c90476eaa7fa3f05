# LibTorch as one target, tailor_libtorch, that only the torch rooms link. Debian's 1.13.1 by
# default, any other (up to 2.13) with CMAKE_PREFIX_PATH=<the torch folder>. Two LibTorches mixed
# link and then abort at start-up, so a mix is refused here.
# Global: CMake 3.25 looks a linked target's own libraries up in the folder that links (tests/), not
# where they were found.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
set(cuda_architectures ${CMAKE_CUDA_ARCHITECTURES})  # Torch's own configuration switches it off
find_package(Torch REQUIRED)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL OFF)

set(torch_files ${TORCH_LIBRARY} ${c10_LIBRARY})
foreach(target torch torch_cpu c10)
  if(TARGET ${target})
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    foreach(configuration IN LISTS configurations)
      get_target_property(location ${target} IMPORTED_LOCATION_${configuration})
      if(location)
        list(APPEND torch_files ${location})
      endif()
    endforeach()
  endif()
endforeach()
set(torch_folders "")
foreach(file IN LISTS torch_files)
  file(REAL_PATH ${file} file)
  get_filename_component(folder ${file} DIRECTORY)
  list(APPEND torch_folders ${folder})
endforeach()
list(REMOVE_DUPLICATES torch_folders)
list(LENGTH torch_folders torch_folder_count)
if(NOT torch_folder_count EQUAL 1)
  string(REPLACE ";" "\n  " torch_folders "${torch_folders}")
  message(FATAL_ERROR "Two LibTorches are mixed; their libraries lie in\n  ${torch_folders}\n"
    "Set CMAKE_PREFIX_PATH to the folder of one LibTorch itself (for a wheel: "
    "python -c 'import torch; print(torch.__path__[0])') and configure in an empty build folder.")
endif()

# The installed library looks there, unless the loader does so anyway (a link path inside our own
# tree CMake would leave out).
file(REAL_PATH "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}" system_folder)
if(torch_folders STREQUAL system_folder)
  set(TAILOR_TORCH_FOLDER "" CACHE INTERNAL "")
else()
  set(TAILOR_TORCH_FOLDER ${torch_folders} CACHE INTERNAL "")
endif()

set(torch_version "")
find_file(torch_version_file torch/headeronly/version.h PATHS ${TORCH_INSTALL_PREFIX}/include
  NO_DEFAULT_PATH NO_CACHE)
if(NOT torch_version_file)
  set(torch_version_file ${TORCH_INSTALL_PREFIX}/include/torch/csrc/api/include/torch/version.h)
endif()
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${torch_version_file} line REGEX "define TORCH_VERSION_${part} [0-9]")
  string(REGEX MATCH "[0-9]+" number "${line}")
  list(APPEND torch_version ${number})
endforeach()
string(REPLACE ";" "." torch_version "${torch_version}")
message(STATUS "LibTorch ${torch_version} in ${torch_folders}")

add_library(tailor_libtorch INTERFACE)
# Wheels carry headers of another fmt, whose functions are in no library here: ours come first,
# alone in a folder.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
list(GET fmt_include 0 fmt_include)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/fmt_first)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/generated/fmt_first/fmt SYMBOLIC)
target_include_directories(tailor_libtorch BEFORE INTERFACE ${CMAKE_BINARY_DIR}/generated/fmt_first)
target_include_directories(tailor_libtorch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_compile_definitions(tailor_libtorch INTERFACE AT_PER_OPERATOR_HEADERS)
# With CUDA there are kernels of our own and captured steps; without, neither is compiled.
set(TAILOR_WITH_CUDA OFF)
if(TARGET torch_cuda)
  set(TAILOR_WITH_CUDA ON)
  if(NOT cuda_architectures)
    set(cuda_architectures 80 90)  # bfloat16 begins with 80; PTX for newer ones comes along
  endif()
  set(CMAKE_CUDA_ARCHITECTURES ${cuda_architectures})
  enable_language(CUDA)
  target_compile_definitions(tailor_libtorch INTERFACE TAILOR_CUDA)
endif()
# What several processes sum their gradients with. Wheels ship no headers of Gloo, and others' are
# not those of the Gloo inside them.
find_path(TAILOR_GLOO_INCLUDE gloo/transport/device.h HINTS ${TORCH_INCLUDE_DIRS} NO_CACHE)
set(gloo_is_theirs OFF)
if(TAILOR_GLOO_INCLUDE)
  set(gloo_is_theirs ON)
  if(NOT torch_folders STREQUAL system_folder)
    list(FIND TORCH_INCLUDE_DIRS ${TAILOR_GLOO_INCLUDE} place)
    if(place EQUAL -1)
      set(gloo_is_theirs OFF)
    endif()
  endif()
endif()
if(gloo_is_theirs)
  target_compile_definitions(tailor_libtorch INTERFACE TAILOR_GLOO USE_C10D_GLOO)
  find_library(TAILOR_GLOO_LIBRARY gloo NO_CACHE)
  if(TAILOR_GLOO_LIBRARY)
    target_link_libraries(tailor_libtorch INTERFACE ${TAILOR_GLOO_LIBRARY})
  endif()
else()
  message(STATUS "LibTorch has no headers of Gloo: several workers need GPUs")
endif()
if(TAILOR_WITH_CUDA)
  # Wheels have NCCL in a folder beside torch's.
  find_path(TAILOR_NCCL_INCLUDE nccl.h HINTS ${TORCH_INSTALL_PREFIX}/../nvidia/nccl/include
    ${TORCH_INCLUDE_DIRS} ${CUDA_INCLUDE_DIRS} NO_CACHE)
  if(TAILOR_NCCL_INCLUDE)
    target_compile_definitions(tailor_libtorch INTERFACE TAILOR_NCCL USE_C10D_NCCL)
    target_include_directories(tailor_libtorch SYSTEM INTERFACE ${TAILOR_NCCL_INCLUDE})
  else()
    message(STATUS "nccl.h is not there: several workers on GPUs are not built")
  endif()
endif()
separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(tailor_libtorch INTERFACE ${torch_flags})
target_link_libraries(tailor_libtorch INTERFACE ${TORCH_LIBRARIES})
