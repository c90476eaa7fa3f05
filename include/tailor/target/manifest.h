// manifest.json of a project, whatever its target: what it was made from, what it needs, and the
// hash of every file.
#pragma once

#include <string>
#include <vector>

#include "tailor/design/export.h"

namespace tailor::target {

struct Manifest {
  struct DesignOptions {
    std::string layout, skips, type, card;
    double input_magnitude = 0;
    Json reuse_factor;  // an integer, or "balanced"
    std::vector<std::string> own_reuse_factors;
    double card_share = 0.70;
    bool dsp_packing = false;
    void describe(RecordVisitor& v);
    /// "streams of ap_fixed<…>", or what there is where stages have types of their own.
    std::string types_text() const;
  };
  struct Port {
    std::string name, type, order;
    int64_t token_bits = 0, tokens = 0, channels = 0;
    void describe(RecordVisitor& v);
  };
  struct Layer {
    std::string name, stage, op, output, type, weight, scale, accumulator;
    int64_t reuse_factor = 0, multipliers = 0, dsp = 0;  // where `weight` is named
    bool packed = false;                                 // two products a DSP
    std::string weight_storage;
    int64_t cycles = 0;  // of an image (model)
    std::string line_storage;
    int64_t line_frames = 0, line_bits = 0;  // where `line_storage` is named
    std::vector<std::string> stream_skips, window_skips, folded_skips;
    std::string hands_on;  // FIFO of a skip; empty: none
    void describe(RecordVisitor& v);
  };
  struct Fifo {
    std::string name, storage;
    int64_t depth = 0, bits = 0;
    void describe(RecordVisitor& v);
  };
  /// Of a project for a card.
  struct Kernel {
    std::string name, platform, memory;
    int64_t beat_bits = 0, input_beats = 0, output_beats = 0;
    void describe(RecordVisitor& v);
  };
  /// Cost as files have it.
  struct Needs {
    Cost cost;
    int64_t dsp_available = 0, lut_available = 0;
    double images_per_s_model = 0;
    std::vector<std::string> warnings;
    void describe(RecordVisitor& v);
  };

  std::string tailor;          // version of the program
  std::string target = "hls";  // left out of the file where it is hls, as version 1 began
  std::string network, top, part, graph_sha256;
  double clock_ns = 5;
  HlsBackend backend = HlsBackend::Vitis;
  DesignOptions design;
  std::vector<Port> ports;
  bool has_kernel = false;
  Kernel kernel;
  std::string vectors_source;
  int64_t vectors_count = 0;
  std::vector<Layer> layers;
  std::vector<Fifo> fifos;
  Json source, preprocessing;
  Quantisation quantisation;
  Needs cost;
  RecordVisitor::Named<std::string> files;
  void describe(RecordVisitor& v);
};

/// A cost as files have it: rounded, with what the device has and what it cannot do.
Manifest::Needs needs_of(const Cost& cost, const Device& device, double clock_ns,
                         const std::vector<Limit>& limits);
/// What stands in a design's record (design_options).
Manifest::DesignOptions read_design_options(const Json& json);

/// Throws Data where the folder has no manifest or a damaged one, Unsupported where its version is
/// another.
Manifest read_manifest(const std::string& folder);
/// Whether a folder holds a project that write_project wrote.
bool is_project(const std::string& folder);

constexpr int kManifestVersion = 1;

}  // namespace tailor::target
