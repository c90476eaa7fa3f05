# @{banner}
# What build_prj.tcl, vivado_synth.tcl and vivado_impl.tcl build.
set top @{hls_top}
set project_dir @{top}_prj
set sources {@{sources}}
set test_bench @{top}_test.cpp
set part @{part}
set clock_ns @{clock_ns}
# The share of the clock kept back for place and route.
set clock_uncertainty @{uncertainty}
