# @{banner}
# make xo       the packaged kernel     make xclbin   linked for @{platform} (hours)
# make host     the host program        make run      load the card, check the vectors, measure
# TARGET=hw_emu runs it on a simulated card. XILINX_XRT is set by XRT's setup.sh.
TARGET ?= hw
KERNEL := @{kernel}
VPP ?= v++
XRT_INCLUDE ?= $(if $(XILINX_XRT),$(XILINX_XRT)/include,/usr/include/xrt)
XRT_LIBRARY ?= $(if $(XILINX_XRT),-L$(XILINX_XRT)/lib -Wl$(comma)-rpath$(comma)$(XILINX_XRT)/lib)
comma := ,

.PHONY: xo xclbin host run
xo: $(KERNEL).xo
$(KERNEL).xo: $(SYNTH)
	TAILOR_STEPS="$(STEPS) export=1" $(HLS) build_prj.tcl

xclbin: $(KERNEL).$(TARGET).xclbin
$(KERNEL).$(TARGET).xclbin: $(KERNEL).xo link.cfg
	$(VPP) -l -t $(TARGET) --config link.cfg -o $@ $(KERNEL).xo

host: host.exe
host.exe: host.cpp
	$(CXX) -std=c++17 -O2 -I$(XRT_INCLUDE) host.cpp $(XRT_LIBRARY) -lxrt_coreutil -pthread -o $@

ifeq ($(TARGET),hw)
run: $(KERNEL).hw.xclbin host.exe
	./host.exe --xclbin $(KERNEL).hw.xclbin
else
run: $(KERNEL).$(TARGET).xclbin host.exe
	emconfigutil --platform @{platform}
	XCL_EMULATION_MODE=$(TARGET) ./host.exe --xclbin $(KERNEL).$(TARGET).xclbin --batch 2 --repeat 1 --timeout 86400
endif
