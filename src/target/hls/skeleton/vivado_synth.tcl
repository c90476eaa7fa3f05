# @{banner}
# usage: vivado -mode batch -source vivado_synth.tcl        (after the synth step of build_prj.tcl)
# Out-of-context logic synthesis of the generated RTL; writes utilisation_synth.rpt, timing_synth.rpt and post_synth.dcp.
source [file join [file dirname [file normalize [info script]]] project.tcl]
set rtl [glob [file join $project_dir solution1 syn verilog *.v]]
read_verilog $rtl
# Some stages come with IP scripts (ROM initialisation, arithmetic cores).
foreach script [glob -nocomplain [file join $project_dir solution1 syn verilog *.tcl]] { source $script }
synth_design -top $top -part $part -mode out_of_context
create_clock -period $clock_ns [get_ports ap_clk]
opt_design
report_utilization -file utilisation_synth.rpt
report_timing_summary -file timing_synth.rpt
write_checkpoint -force post_synth.dcp
