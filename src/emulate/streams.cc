#include "tailor/emulate/streams.h"

#include <algorithm>
#include <deque>

namespace tailor::emulate {
namespace {

using Kind = StreamAction::Kind;

struct Fifo {
  int64_t depth = 0;                   // 0: unbounded
  std::vector<int64_t> written, read;  // cycle of the k-th token's write and read
  NodeId writer, reader;

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
  ByValue<Fifo> fifos;
};
/// `release`: cycles before which the network's input does not write its k-th token.
StreamResult run_streams(const Graph& design, const ByValue<int64_t>& depths, int images,
                         StreamTimes* times, const std::vector<int64_t>& release = {});

}  // namespace

std::vector<StreamAction> stream_program(const Graph& g, const Node& node) {
  const StageLoop loop = stage_loop(g, node);
  const NodeHardware& h = node.hardware;
  const int64_t output_cycles = loop.multiplies() ? h.cycles_per_output : h.cycles_per_step;
  std::vector<StreamAction> program;
  program.reserve(static_cast<size_t>(3 * loop.scan.size()));
  for (int64_t y = 0; y < loop.scan.height; ++y) {
    for (int64_t x = 0; x < loop.scan.width; ++x) {
      if (loop.forks) {
        program.push_back({Kind::Fork, node.inputs[0], h.cycles_per_step});
        continue;
      }
      if (loop.reads.holds(y, x)) program.push_back({Kind::Read, node.inputs[0], 0});
      if (!loop.emits.holds(y, x)) {
        program.push_back({Kind::Wait, {}, h.cycles_per_step});
        continue;
      }
      for (size_t s = 1; s < node.inputs.size(); ++s)
        program.push_back({Kind::Read, node.inputs[s], 0});
      program.push_back({Kind::Wait, {}, output_cycles});
      for (ValueId id : node.outputs) program.push_back({Kind::Write, id, 0});
    }
  }
  return program;
}

ByValue<int64_t> fifo_depths(const Graph& design) {
  ByValue<int64_t> depths;
  for (const Value& v : design.values) depths.push_back(v.fifo_depth);
  return depths;
}

StreamResult simulate_streams(const Graph& design, const ByValue<int64_t>& depths, int images) {
  return run_streams(design, depths, images, nullptr);
}

namespace {

StreamResult run_streams(const Graph& design, const ByValue<int64_t>& depths, int images,
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
  ByValue<Fifo> fifos(design.values.size());
  ByNode<Process> processes(design.nodes.size());
  for (ValueId v : design.value_ids()) fifos[v].depth = depths[v];
  for (NodeId n : design.node_ids()) {
    processes[n].program = stream_program(design, design.node(n));
    for (ValueId id : design.node(n).inputs) fifos[id].reader = n;
    for (ValueId id : design.node(n).outputs) fifos[id].writer = n;
  }
  StreamResult result;
  std::vector<int64_t> finished;  // cycle at which each image's last token left
  std::deque<NodeId> ready;
  for (NodeId n : design.node_ids()) ready.push_back(n);
  auto wake = [&](NodeId process) {
    if (!process.valid() || processes[process].queued) return;
    processes[process].queued = true;
    ready.push_back(process);
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
    const NodeId n = ready.front();
    ready.pop_front();
    Process& p = processes[n];
    p.queued = false;
    const Node& node = design.node(n);
    const bool first = node.is<ops::Input>(), last = node.is<ops::Output>();
    for (;;) {
      if (p.at == p.program.size()) {
        if (last) finished.push_back(p.now);
        if (++p.image >= images || p.program.empty()) break;
        p.at = 0;
      }
      const StreamAction& action = p.program[p.at];
      if (action.kind == Kind::Wait) {
        p.now += action.cycles;
      } else if (action.kind == Kind::Read) {
        Fifo& f = fifos[action.value];
        if (!can_read(f)) break;
        p.now = std::max(p.now, read_time(f));
        f.read.push_back(p.now);
        wake(f.writer);
      } else if (action.kind == Kind::Write) {
        Fifo& f = fifos[action.value];
        if (!can_write(f)) break;
        p.now = std::max(p.now, write_time(f));
        if (first && f.written.size() < release.size())
          p.now = std::max(p.now, release[f.written.size()]);
        f.written.push_back(p.now);
        wake(f.reader);
      } else {
        Fifo& from = fifos[action.value];
        bool possible = can_read(from);
        for (ValueId id : node.outputs) possible = possible && can_write(fifos[id]);
        if (!possible) break;
        p.now = std::max(p.now, read_time(from));
        for (ValueId id : node.outputs) p.now = std::max(p.now, write_time(fifos[id]));
        from.read.push_back(p.now);
        wake(from.writer);
        for (ValueId id : node.outputs) {
          fifos[id].written.push_back(p.now);
          wake(fifos[id].reader);
        }
        p.now += action.cycles;
      }
      ++p.at;
    }
  }
  if (static_cast<int>(finished.size()) < images) {
    result.deadlock = true;
    for (NodeId n : design.node_ids()) {
      const Process& p = processes[n];
      if (p.at == p.program.size()) continue;
      const StreamAction& action = p.program[p.at];
      ValueId full;
      for (ValueId id : action.kind == Kind::Fork ? design.node(n).outputs
                                                  : std::vector<ValueId>{action.value}) {
        if (action.kind != Kind::Read && !can_write(fifos[id])) full = id;
      }
      // The full FIFO is the culprit; the stages that wait for tokens are its victims.
      if (!full.valid()) continue;
      result.deadlock_text =
          fmt::format("{} waits for space in the FIFO {} of depth {}", design.node(n).name,
                      design.value(full).name, depths[full]);
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

ByValue<int64_t> sufficient_depths(const Graph& design, int images) {
  StreamTimes times;
  run_streams(design, ByValue<int64_t>(design.values.size(), 0), images, &times);
  // Backwards from the last stage: each action as late as its successors allow. A write must come
  // one cycle before its read.
  const size_t count = design.values.size();
  ByValue<std::vector<int64_t>> read(count), written(count);
  for (size_t n = design.nodes.size(); n-- > 0;) {
    const Node& node = design.nodes[n];
    const std::vector<StreamAction> program = stream_program(design, node);
    ByValue<size_t> reads_left(count, 0), writes_left(count, 0);
    for (const StreamAction& action : program) {
      if (action.kind == Kind::Read || action.kind == Kind::Fork)
        reads_left[action.value] += static_cast<size_t>(images);
      if (action.kind == Kind::Write) writes_left[action.value] += static_cast<size_t>(images);
      if (action.kind == Kind::Fork) {
        for (ValueId id : node.outputs) writes_left[id] += static_cast<size_t>(images);
      }
    }
    for (ValueId id : node.inputs) read[id].resize(reads_left[id]);
    for (ValueId id : node.outputs) written[id].resize(writes_left[id]);
    int64_t latest = INT64_MAX / 2;
    for (int image = images; image-- > 0;) {
      if (node.is<ops::Output>())
        latest = std::min(latest, times.finished[static_cast<size_t>(image)]);
      for (size_t a = program.size(); a-- > 0;) {
        const StreamAction& action = program[a];
        auto set_read = [&](ValueId v) { read[v][--reads_left[v]] = latest; };
        auto set_write = [&](ValueId v) {
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
          written[action.value][token] = latest;
        } else {
          latest -= action.cycles;
          size_t token = 0;
          for (ValueId id : node.outputs) token = set_write(id);
          for (ValueId id : node.outputs) written[id][token] = latest;
          set_read(action.value);
        }
      }
    }
  }
  // Forwards again, everything as early as possible but the input, which comes as late as the
  // latest schedule lets it: stages before the slowest one are held back by the input, stages
  // behind it empty their FIFOs at once. Every image is still on time.
  run_streams(design, ByValue<int64_t>(count, 0), images, &times, written[design.input()]);
  ByValue<int64_t> depths;
  for (const Fifo& f : times.fifos) depths.push_back(f.needed_depth());
  return depths;
}

namespace {

/// For each node: tokens read from input `value` before its k-th write (1-based), from one image's
/// program.
std::vector<int64_t> reads_before_writes(const std::vector<StreamAction>& program, ValueId value) {
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
  const ByValue<NodeId> writer = producers(design);
  ByNode<std::vector<StreamAction>> programs;
  ByNode<int64_t> holds;  // tokens that a stage still computes on
  for (const Node& node : design.nodes) {
    programs.push_back(stream_program(design, node));
    holds.push_back(stage_loop(design, node).holds_token ? 1 : 0);
  }
  std::vector<SkipDepth> result;
  for (NodeId join : design.node_ids()) {
    const Node& node = design.node(join);
    for (size_t s = 1; s < node.inputs.size(); ++s) {
      const ValueId main = node.inputs[0], skip = node.inputs[s];
      // Back along the skip to its clone: the stages between are single-input.
      std::vector<NodeId> on_skip;
      NodeId clone = writer[skip];
      while (clone.valid() && !design.node(clone).is<ops::Clone>()) {
        on_skip.push_back(clone);
        const Node& stage = design.node(clone);
        clone = stage.inputs.size() == 1 ? writer[stage.inputs[0]] : NodeId();
      }
      if (!clone.valid()) continue;
      // demand[v]: tokens that must have been written to v before the join can take the skip's j-th
      // token.
      SkipDepth depth;
      depth.value = skip;
      std::vector<int64_t> main_reads;  // of the join, before each read of the skip
      int64_t reads = 0;
      for (const StreamAction& action : programs[join]) {
        if (action.kind != Kind::Read) continue;
        if (action.value == main) ++reads;
        if (action.value == skip) main_reads.push_back(reads);
      }
      // Compose "reads before the k-th write" along every path from the join's main input back to
      // the clone.
      ByValue<std::vector<int64_t>> demand(design.values.size());
      ByValue<int64_t> convolutions(design.values.size(), -1);
      demand[main] = main_reads;
      convolutions[main] = holds[join];
      std::vector<int64_t> at_clone(main_reads.size(), 0);
      int64_t in_flight = 0;
      for (size_t n = join.index(); n-- > clone.index();) {
        const Node& stage = design.nodes[n];
        for (ValueId out : stage.outputs) {
          const auto& wanted = demand[out];
          if (wanted.empty()) continue;
          if (n == clone.index()) {
            for (size_t j = 0; j < wanted.size(); ++j)
              at_clone[j] = std::max(at_clone[j], wanted[j]);
            in_flight = std::max(in_flight, convolutions[out]);
            continue;
          }
          for (ValueId in : stage.inputs) {
            std::vector<int64_t> needs = reads_before_writes(programs[NodeId(n)], in);
            auto& mine = demand[in];
            mine.resize(wanted.size(), 0);
            for (size_t j = 0; j < wanted.size(); ++j)
              mine[j] = std::max(mine[j], needs[static_cast<size_t>(wanted[j])]);
            convolutions[in] = std::max(convolutions[in], convolutions[out] + holds[NodeId(n)]);
          }
        }
      }
      // Forward along the skip: how many tokens those let through to the join's FIFO.
      for (auto stage = on_skip.rbegin(); stage != on_skip.rend(); ++stage) {
        const std::vector<int64_t> needs =
            reads_before_writes(programs[*stage], design.node(*stage).inputs[0]);
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

}  // namespace tailor::emulate
