# @{banner}
# usage: [TAILOR_STEPS="step=0|1 ..."] @{tool} build_prj.tcl [step=0|1 ...]
# Steps, in this order: reset csim synth cosim export. Defaults below; csim and cosim fail when one output bit differs. vitis-run hands no arguments on: there the steps stand in TAILOR_STEPS.
set root [file dirname [file normalize [info script]]]
source [file join $root project.tcl]
array set step {reset 1 csim 1 synth 1 cosim 0 export 0}
set arguments {}
if {[info exists env(TAILOR_STEPS)]} { set arguments [split $env(TAILOR_STEPS)] }
if {[info exists argv]} { set arguments [concat $arguments $argv] }
foreach argument $arguments {
  # The tool's own arguments (-f build_prj.tcl) are no assignments.
  if {![regexp {^([^=]+)=(.*)$} $argument -> name value]} {
    if {[info exists step($argument)]} { error "step '$argument': expected $argument=0 or $argument=1" }
    continue
  }
  if {![info exists step($name)]} { error "unknown step '$name', expected one of [lsort [array names step]]" }
  if {$value ne "0" && $value ne "1"} { error "step '$name': expected 0 or 1, got '$value'" }
  set step($name) $value
}

proc build {} {
  global root step top project_dir sources test_bench part clock_ns clock_uncertainty
  if {$step(reset)} { open_project -reset $project_dir } else { open_project $project_dir }
  set_top $top
  # Every #include is found beside the file that asks for it: flags are split at blanks, and a path may have some.
  set flags "-std=@{cxx_standard}"
  foreach source $sources { add_files [list [file join $root $source]] -cflags $flags }
  add_files -tb [list [file join $root $test_bench]] -cflags $flags
  add_files -tb [list [file join $root firmware weights]]
  add_files -tb [list [file join $root tb_data]]
  if {$step(reset)} { open_solution -reset solution1@{flow} } else { open_solution solution1@{flow} }
  set_part $part
  create_clock -period $clock_ns -name default
  set_clock_uncertainty $clock_uncertainty default
@{partition}  if {$step(csim)} { csim_design }
  if {$step(synth)} { csynth_design }
  if {$step(cosim)} { cosim_design -rtl verilog -trace_level none }
  if {$step(export)} { export_design @{export} }
}

# A tool that meets an error would wait for a next command.
if {[catch { build } message]} {
  puts stderr "build_prj.tcl: $message"
  exit 1
}
exit 0
