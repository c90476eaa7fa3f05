#include "tailor/emulate/streams.h"

#include <algorithm>
#include <deque>

namespace tailor {
namespace {

using Kind = StreamAction::Kind;

/// Whether a window, a convolution's or a max pool's, is complete when its stage has come to (y,
/// x).
bool emits(const Window& w, const MapShape& out, int64_t y, int64_t x) {
  const Size2 extent = w.extent();
  const int64_t oy = y - (extent.height - 1 - w.pads.top),
                ox = x - (extent.width - 1 - w.pads.left);
  return oy >= 0 && ox >= 0 && oy % w.stride.height == 0 && ox % w.stride.width == 0 &&
         oy / w.stride.height < out.height && ox / w.stride.width < out.width;
}

/// Whether a stage still computes on one token when it takes the next ones: a convolution of
/// windows.
bool holds_token(const Node& node) {
  return node.op == Op::Conv2d && node.conv().window.taps() > 1;
}

std::vector<StreamAction> conv_program(const Graph& g, const Node& node) {
  const Window& w = node.conv().window;
  const MapShape& in = g.value(node.inputs[0]).shape;
  const MapShape& out = g.value(node.outputs[0]).shape;
  // The stage's own loop (src/target/hls/library/tailor/conv2d.h): zero columns and rows behind the
  // image pad both of their sides.
  const int64_t rows = in.height + std::max(w.pads.top, w.pads.bottom),
                columns = in.width + std::max(w.pads.left, w.pads.right);
  std::vector<StreamAction> program;
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) {
      if (y < in.height && x < in.width) program.push_back({Kind::Read, node.inputs[0], 0});
      if (!emits(w, out, y, x)) {
        program.push_back({Kind::Wait, -1, node.hardware.cycles_per_step});
        continue;
      }
      for (size_t s = 1; s < node.inputs.size(); ++s)
        program.push_back({Kind::Read, node.inputs[s], 0});
      program.push_back({Kind::Wait, -1, node.hardware.cycles_per_output});
      program.push_back({Kind::Write, node.outputs[0], 0});
    }
  }
  return program;
}

struct Fifo {
  int64_t depth = 0;                   // 0: unbounded
  std::vector<int64_t> written, read;  // cycle of the k-th token's write and read
  int writer = -1, reader = -1;

  /// The least depth with which these very times are possible: a place is free the cycle after its
  /// token was read.
  int64_t needed_depth() const {
    int64_t most = 1;
    size_t gone = 0;
    for (size_t k = 0; k < written.size(); ++k) {
      while (gone < k && read[gone] < written[k]) ++gone;
      most = std::max(most, static_cast<int64_t>(k - gone) + 1);
    }
    return most;
  }
};

struct StreamTimes {
  std::vector<int64_t> finished;  // cycle at which each image's last token left
  std::vector<Fifo> fifos;
};
/// `release`: cycles before which the network's input does not write its k-th token.
StreamResult run_streams(const Graph& design, const std::vector<int64_t>& depths, int images,
                         StreamTimes* times, const std::vector<int64_t>& release = {});

}  // namespace

std::vector<StreamAction> stream_program(const Graph& g, const Node& node) {
  std::vector<StreamAction> program;
  const int64_t step = node.hardware.cycles_per_step;
  auto read = [&](int value) { program.push_back({Kind::Read, value, 0}); };
  auto wait = [&](int64_t cycles) { program.push_back({Kind::Wait, -1, cycles}); };
  auto write = [&] { program.push_back({Kind::Write, node.outputs[0], 0}); };
  const MapShape in = node.inputs.empty() ? MapShape{} : g.value(node.inputs[0]).shape;
  const MapShape out = node.outputs.empty() ? MapShape{} : g.value(node.outputs[0]).shape;
  switch (node.op) {
    case Op::Input:
      for (int64_t p = 0; p < out.pixels(); ++p) wait(step), write();
      break;
    case Op::Conv2d:
      return conv_program(g, node);
    case Op::Relu:
      for (int64_t p = 0; p < out.pixels(); ++p) read(node.inputs[0]), wait(step), write();
      break;
    case Op::Add:
      for (int64_t p = 0; p < out.pixels(); ++p) {
        for (int id : node.inputs) read(id);
        wait(step);
        write();
      }
      break;
    case Op::ShortcutPad: {
      const int64_t stride = std::get<ShortcutPadAttributes>(node.attributes).stride;
      for (int64_t y = 0; y < in.height; ++y) {
        for (int64_t x = 0; x < in.width; ++x) {
          read(node.inputs[0]);
          wait(step);
          if (y % stride == 0 && x % stride == 0) write();
        }
      }
      break;
    }
    case Op::MaxPool2d: {
      // The stage's own loop (src/target/hls/library/tailor/pool.h), one token a cycle.
      const Window& w = std::get<MaxPoolAttributes>(node.attributes).window;
      for (int64_t y = 0; y < in.height + w.pads.bottom; ++y) {
        for (int64_t x = 0; x < in.width + w.pads.right; ++x) {
          if (y < in.height && x < in.width) read(node.inputs[0]);
          wait(step);
          if (emits(w, out, y, x)) write();
        }
      }
      break;
    }
    case Op::GlobalAvgPool:
      for (int64_t p = 0; p < in.pixels(); ++p) read(node.inputs[0]), wait(step);
      write();
      break;
    case Op::Dense:
      for (int64_t p = 1; p < in.pixels(); ++p) read(node.inputs[0]), wait(step);
      read(node.inputs[0]), wait(node.hardware.cycles_per_output), write();
      break;
    case Op::ZeroPad: {
      const Pads& p = std::get<ZeroPadAttributes>(node.attributes).pads;
      for (int64_t y = 0; y < out.height; ++y) {
        for (int64_t x = 0; x < out.width; ++x) {
          if (y >= p.top && y < p.top + in.height && x >= p.left && x < p.left + in.width)
            read(node.inputs[0]);
          wait(step);
          write();
        }
      }
      break;
    }
    case Op::Clone:
      for (int64_t p = 0; p < out.pixels(); ++p)
        program.push_back({Kind::Fork, node.inputs[0], step});
      break;
    case Op::Output:
      for (int64_t p = 0; p < in.pixels(); ++p) read(node.inputs[0]), wait(step);
      break;
    case Op::BatchNorm:
      fail(ErrorKind::Internal, "{} is a batch norm, which a design never has", node.name);
  }
  return program;
}

std::vector<int64_t> fifo_depths(const Graph& design) {
  std::vector<int64_t> depths;
  for (const Value& v : design.values) depths.push_back(v.fifo_depth);
  return depths;
}

StreamResult simulate_streams(const Graph& design, const std::vector<int64_t>& depths, int images) {
  return run_streams(design, depths, images, nullptr);
}

namespace {

StreamResult run_streams(const Graph& design, const std::vector<int64_t>& depths, int images,
                         StreamTimes* times, const std::vector<int64_t>& release) {
  TAILOR_CHECK(depths.size() == design.values.size(), "{} depths for {} values", depths.size(),
               design.values.size());
  struct Process {
    std::vector<StreamAction> program;
    size_t at = 0;
    int image = 0;
    int64_t now = 0;
    bool queued = true;
  };
  std::vector<Fifo> fifos(design.values.size());
  std::vector<Process> processes(design.nodes.size());
  for (size_t v = 0; v < fifos.size(); ++v) fifos[v].depth = depths[v];
  for (size_t n = 0; n < design.nodes.size(); ++n) {
    processes[n].program = stream_program(design, design.nodes[n]);
    for (int id : design.nodes[n].inputs)
      fifos[static_cast<size_t>(id)].reader = static_cast<int>(n);
    for (int id : design.nodes[n].outputs)
      fifos[static_cast<size_t>(id)].writer = static_cast<int>(n);
  }
  StreamResult result;
  std::vector<int64_t> finished;  // cycle at which each image's last token left
  std::deque<size_t> ready;
  for (size_t n = 0; n < processes.size(); ++n) ready.push_back(n);
  auto wake = [&](int process) {
    if (process < 0 || processes[static_cast<size_t>(process)].queued) return;
    processes[static_cast<size_t>(process)].queued = true;
    ready.push_back(static_cast<size_t>(process));
  };
  // A token written in cycle t can be read in t + 1; the place of a token read in t can be written
  // in t + 1.
  auto can_read = [](const Fifo& f) { return f.read.size() < f.written.size(); };
  auto can_write = [](const Fifo& f) {
    return f.depth == 0 ||
           static_cast<int64_t>(f.written.size()) < f.depth + static_cast<int64_t>(f.read.size());
  };
  auto read_time = [](const Fifo& f) { return f.written[f.read.size()] + 1; };
  auto write_time = [](const Fifo& f) {
    int64_t freed = f.depth == 0 ? -1 : static_cast<int64_t>(f.written.size()) - f.depth;
    return freed < 0 ? int64_t{0} : f.read[static_cast<size_t>(freed)] + 1;
  };
  while (!ready.empty()) {
    const size_t n = ready.front();
    ready.pop_front();
    Process& p = processes[n];
    p.queued = false;
    const Node& node = design.nodes[n];
    for (;;) {
      if (p.at == p.program.size()) {
        if (node.op == Op::Output) finished.push_back(p.now);
        if (++p.image >= images || p.program.empty()) break;
        p.at = 0;
      }
      const StreamAction& action = p.program[p.at];
      if (action.kind == Kind::Wait) {
        p.now += action.cycles;
      } else if (action.kind == Kind::Read) {
        Fifo& f = fifos[static_cast<size_t>(action.value)];
        if (!can_read(f)) break;
        p.now = std::max(p.now, read_time(f));
        f.read.push_back(p.now);
        wake(f.writer);
      } else if (action.kind == Kind::Write) {
        Fifo& f = fifos[static_cast<size_t>(action.value)];
        if (!can_write(f)) break;
        p.now = std::max(p.now, write_time(f));
        if (node.op == Op::Input && f.written.size() < release.size())
          p.now = std::max(p.now, release[f.written.size()]);
        f.written.push_back(p.now);
        wake(f.reader);
      } else {
        Fifo& from = fifos[static_cast<size_t>(action.value)];
        bool possible = can_read(from);
        for (int id : node.outputs)
          possible = possible && can_write(fifos[static_cast<size_t>(id)]);
        if (!possible) break;
        p.now = std::max(p.now, read_time(from));
        for (int id : node.outputs)
          p.now = std::max(p.now, write_time(fifos[static_cast<size_t>(id)]));
        from.read.push_back(p.now);
        wake(from.writer);
        for (int id : node.outputs) {
          fifos[static_cast<size_t>(id)].written.push_back(p.now);
          wake(fifos[static_cast<size_t>(id)].reader);
        }
        p.now += action.cycles;
      }
      ++p.at;
    }
  }
  if (static_cast<int>(finished.size()) < images) {
    result.deadlock = true;
    for (size_t n = 0; n < processes.size(); ++n) {
      const Process& p = processes[n];
      if (p.at == p.program.size()) continue;
      const StreamAction& action = p.program[p.at];
      int full = -1;
      for (int id :
           action.kind == Kind::Fork ? design.nodes[n].outputs : std::vector<int>{action.value}) {
        if (action.kind != Kind::Read && !can_write(fifos[static_cast<size_t>(id)])) full = id;
      }
      // The full FIFO is the culprit; the stages that wait for tokens are its victims.
      if (full < 0) continue;
      result.deadlock_text =
          fmt::format("{} waits for space in the FIFO {} of depth {}", design.nodes[n].name,
                      design.value(full).name, depths[static_cast<size_t>(full)]);
      if (action.kind == Kind::Fork) break;
    }
    if (result.deadlock_text.empty())
      result.deadlock_text = "a stage waits for a token that never comes";
  } else {
    result.latency_cycles = finished.front();
    if (finished.size() > 1)
      result.interval_cycles = finished.back() - finished[finished.size() - 2];
  }
  for (const Fifo& f : fifos) {
    int64_t most = 0;
    size_t gone = 0;
    for (size_t k = 0; k < f.written.size(); ++k) {
      while (gone < f.read.size() && f.read[gone] < f.written[k]) ++gone;
      most = std::max(most, static_cast<int64_t>(k + 1 - gone));
    }
    result.high_water.push_back(most);
  }
  if (times) {
    times->finished = std::move(finished);
    times->fifos = std::move(fifos);
  }
  return result;
}

}  // namespace

std::vector<int64_t> sufficient_depths(const Graph& design, int images) {
  StreamTimes times;
  run_streams(design, std::vector<int64_t>(design.values.size(), 0), images, &times);
  // Backwards from the last stage: each action as late as its successors allow. A write must come
  // one cycle before its read.
  const size_t count = design.values.size();
  std::vector<std::vector<int64_t>> read(count), written(count);
  for (size_t n = design.nodes.size(); n-- > 0;) {
    const Node& node = design.nodes[n];
    const std::vector<StreamAction> program = stream_program(design, node);
    std::vector<size_t> reads_left(count, 0), writes_left(count, 0);
    for (const StreamAction& action : program) {
      if (action.kind == Kind::Read || action.kind == Kind::Fork)
        reads_left[static_cast<size_t>(action.value)] += static_cast<size_t>(images);
      if (action.kind == Kind::Write)
        writes_left[static_cast<size_t>(action.value)] += static_cast<size_t>(images);
      if (action.kind == Kind::Fork) {
        for (int id : node.outputs)
          writes_left[static_cast<size_t>(id)] += static_cast<size_t>(images);
      }
    }
    for (int id : node.inputs)
      read[static_cast<size_t>(id)].resize(reads_left[static_cast<size_t>(id)]);
    for (int id : node.outputs)
      written[static_cast<size_t>(id)].resize(writes_left[static_cast<size_t>(id)]);
    int64_t latest = INT64_MAX / 2;
    for (int image = images; image-- > 0;) {
      if (node.op == Op::Output)
        latest = std::min(latest, times.finished[static_cast<size_t>(image)]);
      for (size_t a = program.size(); a-- > 0;) {
        const StreamAction& action = program[a];
        auto set_read = [&](int value) {
          read[static_cast<size_t>(value)][--reads_left[static_cast<size_t>(value)]] = latest;
        };
        auto set_write = [&](int value) {
          const auto v = static_cast<size_t>(value);
          const size_t token = --writes_left[v];
          latest = std::min(latest, read[v][token] - 1);
          return token;
        };
        if (action.kind == Kind::Wait) {
          latest -= action.cycles;
        } else if (action.kind == Kind::Read) {
          set_read(action.value);
        } else if (action.kind == Kind::Write) {
          const size_t token = set_write(action.value);
          written[static_cast<size_t>(action.value)][token] = latest;
        } else {
          latest -= action.cycles;
          size_t token = 0;
          for (int id : node.outputs) token = set_write(id);
          for (int id : node.outputs) written[static_cast<size_t>(id)][token] = latest;
          set_read(action.value);
        }
      }
    }
  }
  // Forwards again, everything as early as possible but the input, which comes as late as the
  // latest schedule lets it: stages before the slowest one are held back by the input, stages
  // behind it empty their FIFOs at once. Every image is still on time.
  std::vector<int64_t> release;
  for (const Node& node : design.nodes) {
    if (node.op == Op::Input) release = written[static_cast<size_t>(node.outputs[0])];
  }
  run_streams(design, std::vector<int64_t>(count, 0), images, &times, release);
  std::vector<int64_t> depths;
  for (const Fifo& f : times.fifos) depths.push_back(f.needed_depth());
  return depths;
}

namespace {

/// For each node: tokens read from input `value` before its k-th write (1-based), from one image's
/// program.
std::vector<int64_t> reads_before_writes(const std::vector<StreamAction>& program, int value) {
  std::vector<int64_t> result = {0};
  int64_t reads = 0;
  for (const StreamAction& action : program) {
    if (action.kind == Kind::Fork) {
      result.push_back(++reads);
    } else if (action.kind == Kind::Read && action.value == value) {
      ++reads;
    } else if (action.kind == Kind::Write) {
      result.push_back(reads);
    }
  }
  return result;
}

}  // namespace

std::vector<SkipDepth> skip_depths(const Graph& design) {
  const std::vector<int> writer = producers(design);
  std::vector<std::vector<StreamAction>> programs;
  for (const Node& node : design.nodes) programs.push_back(stream_program(design, node));
  std::vector<SkipDepth> result;
  for (size_t join = 0; join < design.nodes.size(); ++join) {
    const Node& node = design.nodes[join];
    if ((node.op != Op::Conv2d && node.op != Op::Add) || node.inputs.size() < 2) continue;
    for (size_t s = 1; s < node.inputs.size(); ++s) {
      // Back along the skip to its clone: the stages between are single-input.
      std::vector<size_t> on_skip;
      int at = writer[static_cast<size_t>(node.inputs[s])];
      while (at >= 0 && design.nodes[static_cast<size_t>(at)].op != Op::Clone) {
        on_skip.push_back(static_cast<size_t>(at));
        const Node& stage = design.nodes[static_cast<size_t>(at)];
        at = stage.inputs.size() == 1 ? writer[static_cast<size_t>(stage.inputs[0])] : -1;
      }
      if (at < 0) continue;
      const auto clone = static_cast<size_t>(at);
      // demand[v]: tokens that must have been written to v before the join can take the skip's j-th
      // token.
      SkipDepth depth;
      depth.value = node.inputs[s];
      std::vector<int64_t> main_reads;  // of the join, before each read of the skip
      int64_t reads = 0;
      for (const StreamAction& action : programs[join]) {
        if (action.kind != Kind::Read) continue;
        if (action.value == node.inputs[0]) ++reads;
        if (action.value == node.inputs[s]) main_reads.push_back(reads);
      }
      // Compose "reads before the k-th write" along every path from the join's main input back to
      // the clone.
      std::vector<std::vector<int64_t>> demand(design.values.size());
      std::vector<int64_t> convolutions(design.values.size(), -1);
      demand[static_cast<size_t>(node.inputs[0])] = main_reads;
      convolutions[static_cast<size_t>(node.inputs[0])] = holds_token(node) ? 1 : 0;
      std::vector<int64_t> at_clone(main_reads.size(), 0);
      int64_t in_flight = 0;
      for (size_t n = join; n-- > clone;) {
        const Node& stage = design.nodes[n];
        for (int out : stage.outputs) {
          const auto& wanted = demand[static_cast<size_t>(out)];
          if (wanted.empty()) continue;
          if (n == clone) {
            for (size_t j = 0; j < wanted.size(); ++j)
              at_clone[j] = std::max(at_clone[j], wanted[j]);
            in_flight = std::max(in_flight, convolutions[static_cast<size_t>(out)]);
            continue;
          }
          for (int in : stage.inputs) {
            std::vector<int64_t> needs = reads_before_writes(programs[n], in);
            auto& mine = demand[static_cast<size_t>(in)];
            mine.resize(wanted.size(), 0);
            for (size_t j = 0; j < wanted.size(); ++j)
              mine[j] = std::max(mine[j], needs[static_cast<size_t>(wanted[j])]);
            convolutions[static_cast<size_t>(in)] =
                std::max(convolutions[static_cast<size_t>(in)],
                         convolutions[static_cast<size_t>(out)] + (holds_token(stage) ? 1 : 0));
          }
        }
      }
      // Forward along the skip: how many tokens those let through to the join's FIFO.
      for (auto stage = on_skip.rbegin(); stage != on_skip.rend(); ++stage) {
        const std::vector<int64_t> needs =
            reads_before_writes(programs[*stage], design.nodes[*stage].inputs[0]);
        for (int64_t& tokens : at_clone)
          tokens = std::upper_bound(needs.begin(), needs.end(), tokens) - needs.begin() - 1;
      }
      for (size_t j = 0; j < at_clone.size(); ++j)
        depth.deadlock_free = std::max(depth.deadlock_free, at_clone[j] - static_cast<int64_t>(j));
      depth.full_speed = depth.deadlock_free + in_flight;
      result.push_back(depth);
    }
  }
  return result;
}

}  // namespace tailor
