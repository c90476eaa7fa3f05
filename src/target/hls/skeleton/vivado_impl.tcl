# @{banner}
# usage: vivado -mode batch -source vivado_impl.tcl         (after vivado_synth.tcl)
# Place and route, because post-synthesis figures are not what the card gets; writes utilisation_impl.rpt, timing_impl.rpt and post_route.dcp.
source [file join [file dirname [file normalize [info script]]] project.tcl]
open_checkpoint post_synth.dcp
place_design
phys_opt_design
route_design
report_utilization -file utilisation_impl.rpt
report_timing_summary -file timing_impl.rpt
write_checkpoint -force post_route.dcp
