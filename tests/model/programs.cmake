# SPDX-License-Identifier: Apache-2.0
# The ring core's own source in small closed programs: see README.md, "The ring core". Random schedules in every build, with
# ThreadSanitizer in its own; all schedules of a few preemptions; and for a checker of weak memory, if there is one.

find_program(SHMBUS_PYTHON NAMES python3 REQUIRED)
find_program(SHMBUS_CLANG NAMES clang)

add_library(model_runner OBJECT runner.c choices.c scheduler.c ../sim/context.c)
set(model_includes -I${PROJECT_SOURCE_DIR}/include -iquote)
if(SHMBUS_SANITIZE STREQUAL "thread")
    # It is told of the threads; what the scheduler does must order nothing.
    target_compile_definitions(model_runner PRIVATE MODEL_TSAN)
    target_compile_options(model_runner PRIVATE -fno-sanitize=thread)
endif()

# model_executable(TARGET SOURCE BUS [MACRO...])
function(model_executable target source bus)
    add_executable(${target} ${source})
    target_compile_definitions(${target} PRIVATE MODEL_RUNNER ${ARGN})
    target_compile_options(${target} PRIVATE -Wno-unused-function ${model_includes} ${bus})
    target_link_libraries(${target} PRIVATE model_runner)
    set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # clang-tidy sees each file once
endfunction()

# model_program(NAME SOURCE BOUND CHOICE [MACRO...]): BOUND is how many preemptions a search goes to, CHOICE what a checker
# is given in each of its runs, NAME:COUNT, or -.
function(model_program name source bound choice)
    model_executable(model_${name} ${source}.c ${PROJECT_SOURCE_DIR}/bus ${ARGN})
    if(name STREQUAL source)
        set_target_properties(model_${name} PROPERTIES EXPORT_COMPILE_COMMANDS ON)
    endif()
    set(model_source_${name} ${source} PARENT_SCOPE)
    set(model_macros_${name} ${ARGN} PARENT_SCOPE)
    list(TRANSFORM ARGN PREPEND -D OUTPUT_VARIABLE flags)
    list(APPEND flags -I${CMAKE_CURRENT_SOURCE_DIR}/freestanding ${model_includes} ${PROJECT_SOURCE_DIR}/bus)
    set(file ${CMAKE_CURRENT_SOURCE_DIR}/${source}.c)

    add_test(NAME model.${name}.random COMMAND model_${name} --schedules=20000 --seconds=2)
    if(SHMBUS_SANITIZE AND bound GREATER 1)
        set(bound 1)
    elseif(SHMBUS_SANITIZE)
        set(bound 0)
    endif()
    add_test(NAME model.${name}.all COMMAND model_${name} --exhaustive=${bound})
    shmbus_set_tests_properties(model.${name}.random model.${name}.all PROPERTIES LABELS model TIMEOUT 120)

    string(REGEX REPLACE "^(.+):.*" "-D\\1=0" chosen ${choice})
    list(REMOVE_ITEM chosen -)
    add_test(NAME model.${name}.accepted
        COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/accept.sh ${SHMBUS_CLANG} ${file} ${flags} ${chosen})
    add_test(NAME model.${name}.genmc
        COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/genmc.sh ${file} ${choice} ${flags})
    shmbus_set_tests_properties(model.${name}.accepted model.${name}.genmc PROPERTIES
        LABELS "model;nosan" TIMEOUT 120 SKIP_RETURN_CODE 77)
    shmbus_set_tests_properties(model.${name}.genmc PROPERTIES TIMEOUT 600)
endfunction()

model_program(one_to_one one_to_one 4 -)
model_program(one_to_one_narrow one_to_one 3 - GRANT=1)
model_program(two_publishers two_publishers 2 -)
model_program(two_groups two_groups 2 -)
model_program(shared_group shared_group 2 -)
model_program(batch batch 4 -)
model_program(batch_multi batch 2 - MULTI=1)
model_program(arena arena 3 -)
model_program(arena_multi arena 3 - MULTI=1)
model_program(aborted aborted 3 -)
model_program(aborted_multi aborted 3 - MULTI=1)
model_program(overwrite overwrite 4 -)
model_program(overwrite_arena overwrite 3 - SIZE=TWO_LINES)
model_program(join join 3 OLDEST:2)
model_program(join_beside join 2 OLDEST:2 BESIDE=1)
model_program(death death 2 DEATH:64)
model_program(death_arena death 2 DEATH:64 SIZE=TWO_LINES)
model_program(death_multi death 1 DEATH:192 MULTI=1)
model_program(death_multi_arena death 1 DEATH:192 MULTI=1 SIZE=TWO_LINES)

add_test(NAME model.freestanding
    COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/freestanding.sh ${CMAKE_C_COMPILER} ${PROJECT_SOURCE_DIR})
add_test(NAME model.programs-selftest
    COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/programs_selftest.sh ${CMAKE_C_COMPILER} ${SHMBUS_CLANG})
shmbus_set_tests_properties(model.freestanding model.programs-selftest PROPERTIES
    LABELS "model;nosan" TIMEOUT 60 SKIP_RETURN_CODE 77)

# model_plants(TABLE FOUND OPTION): each bug of the table must be found in its program, run with this option.
function(model_plants table found option)
    set(table ${CMAKE_CURRENT_SOURCE_DIR}/${table})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${table})
    execute_process(COMMAND ${SHMBUS_PYTHON} ${table} list OUTPUT_VARIABLE plants COMMAND_ERROR_IS_FATAL ANY)
    string(STRIP "${plants}" plants)
    string(REPLACE "\n" ";" plants "${plants}")
    file(GLOB sources ${PROJECT_SOURCE_DIR}/bus/*.[ch])
    foreach(plant ${plants})
        separate_arguments(plant)
        list(GET plant 0 name)
        list(GET plant 1 file)
        string(REGEX REPLACE "\\..*" "" program ${name})
        set(tree ${CMAKE_CURRENT_BINARY_DIR}/planted/${name})
        add_custom_command(OUTPUT ${tree}/${file}
            COMMAND ${CMAKE_COMMAND} -E copy_directory ${PROJECT_SOURCE_DIR}/bus ${tree}
            COMMAND ${SHMBUS_PYTHON} ${table} plant ${name} ${PROJECT_SOURCE_DIR}/bus ${tree}/${file}
            DEPENDS ${table} ${sources} VERBATIM)
        model_executable(model_${name} ${model_source_${program}}.c ${tree} ${model_macros_${program}})
        target_compile_options(model_${name} PRIVATE -w)
        target_sources(model_${name} PRIVATE ${tree}/${file})
        set_source_files_properties(${tree}/${file} PROPERTIES HEADER_FILE_ONLY ON)
        add_test(NAME model.finds.${name} COMMAND model_${name} ${option})
        shmbus_set_tests_properties(model.finds.${name} PROPERTIES LABELS model TIMEOUT 120
            PASS_REGULAR_EXPRESSION "${found}")
    endforeach()
endfunction()

if(SHMBUS_SANITIZE STREQUAL "thread")
    model_plants(plants.py "ThreadSanitizer: data race" --schedules=20000)
elseif(NOT SHMBUS_SANITIZE)
    model_plants(plants_steps.py "repeat it with --trail=" --exhaustive=2)
endif()
