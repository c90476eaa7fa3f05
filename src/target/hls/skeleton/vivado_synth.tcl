# @{banner}
# usage: vivado -mode batch -source vivado_synth.tcl        (after the synth step of build_prj.tcl)
# Out-of-context logic synthesis of all that HLS generated, with the clock known from the start; writes
# utilisation_synth.rpt, utilisation_synth_hierarchy.rpt, timing_synth.rpt and post_synth.dcp.
set root [file dirname [file normalize [info script]]]
source [file join $root project.tcl]
set generated [file join $project_dir solution1 syn verilog]
set rtl [lsort [glob -nocomplain [file join $generated *.v] [file join $generated *.sv]]]
if {[llength $rtl] == 0} { error "$generated has no Verilog: run the synth step of build_prj.tcl first" }
create_project -in_memory -part $part
add_files $rtl
# Contents of memories are files of their own; headers are included by name.
set data [lsort [glob -nocomplain [file join $generated *.dat] [file join $generated *.mem] [file join $generated *.vh]]]
if {[llength $data] > 0} { add_files $data }
# Some stages come with scripts that make IP (arithmetic cores).
foreach script [lsort [glob -nocomplain [file join $generated *.tcl]]] { source $script }
read_xdc -mode out_of_context [file join $root clock.xdc]
synth_design -top $top -part $part -mode out_of_context
opt_design
report_utilization -file utilisation_synth.rpt
report_utilization -hierarchical -file utilisation_synth_hierarchy.rpt
report_timing_summary -file timing_synth.rpt
write_checkpoint -force post_synth.dcp
