# find_package(tailor): the target tailor::tailor, whose headers print with fmt.
include(CMakeFindDependencyMacro)
find_dependency(fmt)
include(${CMAKE_CURRENT_LIST_DIR}/tailorTargets.cmake)
