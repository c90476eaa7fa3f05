# @{banner}
# usage: vivado -mode batch -source vivado_impl.tcl         (after vivado_synth.tcl)
# Place and route, because post-synthesis figures are not what the card gets; writes utilisation_impl.rpt,
# utilisation_impl_hierarchy.rpt, timing_impl.rpt and post_route.dcp.
set root [file dirname [file normalize [info script]]]
source [file join $root project.tcl]
if {![file exists post_synth.dcp]} { error "there is no post_synth.dcp: run vivado_synth.tcl first" }
open_checkpoint post_synth.dcp
place_design
phys_opt_design
route_design
report_utilization -file utilisation_impl.rpt
report_utilization -hierarchical -file utilisation_impl_hierarchy.rpt
report_timing_summary -file timing_impl.rpt
write_checkpoint -force post_route.dcp
set slack [get_property SLACK [get_timing_paths -setup]]
if {$slack < 0} { puts "timing: NOT met at $clock_ns ns, worst slack $slack ns" } else { puts "timing: met at $clock_ns ns, worst slack $slack ns" }
