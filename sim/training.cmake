# How dfs-sim is made fast: dfs_fast(TARGET) for every library that goes into it.
#
# An event runs through ten kilobytes of code, more than a first-level cache keeps from one event to the next; so the compiler is told which of it is used, by a run:
# a dfs-sim that counts its branches is built in <build>/training (without link-time optimisation, no tests), runs a cluster under load and a few seeds of the swarm, and the real one is compiled with
# the counts. The simulator is deterministic, so the counts and the program are the same every time. This is done once in a build folder; functions that change
# later are compiled as if they had no counts (-fprofile-correction: which is no warning, where one is called by others that have theirs). `rm -r <build>/training` trains anew.

set(DFS_TRAINING_DIR ${PROJECT_BINARY_DIR}/training)

if(DFS_TRAINING)
  add_compile_options(-fprofile-generate=${DFS_TRAINING} -fprofile-update=single -fprofile-prefix-path=${PROJECT_BINARY_DIR})
  add_link_options(-fprofile-generate)
elseif(DFS_SIM_IS_FAST AND DFS_SIM_TRAINED AND DFS_BUILD_SIM AND NOT CMAKE_CROSSCOMPILING)
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  set(DFS_TRAINING_DONE ${DFS_TRAINING_DIR}/done)
  set(DFS_TRAINING_OPTIONS -fprofile-use=${DFS_TRAINING_DIR}/counts -fprofile-prefix-path=${PROJECT_BINARY_DIR} -fprofile-partial-training -Wno-coverage-mismatch
      -Wno-missing-profile -fprofile-correction)
  add_custom_command(
    OUTPUT ${DFS_TRAINING_DONE}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${DFS_TRAINING_DIR}/counts
    COMMAND ${CMAKE_COMMAND} -S ${PROJECT_SOURCE_DIR} -B ${DFS_TRAINING_DIR} -G ${CMAKE_GENERATOR} -DCMAKE_BUILD_TYPE=Release
            -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DDFS_BUILD_TESTS=OFF -DDFS_BUILD_APPS=OFF -DDFS_SIM_FAST=OFF -DDFS_WERROR=OFF
            -DDFS_TRAINING=${DFS_TRAINING_DIR}/counts
    COMMAND ${CMAKE_COMMAND} --build ${DFS_TRAINING_DIR} --target dfs-sim --parallel ${cores}
    COMMAND ${DFS_TRAINING_DIR}/bin/dfs-sim run ${PROJECT_SOURCE_DIR}/sim/training.json --seed 1 --json > ${DFS_TRAINING_DIR}/run.json
    COMMAND ${DFS_TRAINING_DIR}/bin/dfs-sim sweep --seeds 1..20 -j 1 --json > ${DFS_TRAINING_DIR}/sweep.json
    COMMAND ${CMAKE_COMMAND} -E touch ${DFS_TRAINING_DONE}
    DEPENDS ${PROJECT_SOURCE_DIR}/sim/training.json
    COMMENT "Training dfs-sim: a build that counts, a run under load" VERBATIM)
  add_custom_target(dfs_training DEPENDS ${DFS_TRAINING_DONE})
endif()

function(dfs_fast target)
  if(NOT DFS_SIM_IS_FAST)
    return()
  endif()
  # "Fat": the programs that are not linked as one unit take the machine code out of the very same objects.
  target_compile_options(${target} PRIVATE -flto=auto -ffat-lto-objects ${DFS_TRAINING_OPTIONS})
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    # Structs of some hundred bytes are cleared and copied all the time: by vectors, or by the C library, not by instructions that repeat themselves.
    target_compile_options(${target} PRIVATE -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign
                           -mmemcpy-strategy=vector_loop:128:noalign,libcall:-1:noalign)
  endif()
  if(DFS_TRAINING_DONE)
    add_dependencies(${target} dfs_training)
  endif()
endfunction()
