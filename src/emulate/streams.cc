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
      // What is handed on first, as in the library: it may have to wait.
      for (size_t o = node.outputs.size(); o-- > 0;)
        program.push_back({Kind::Write, node.outputs[o], h.pipeline_cycles});
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

/// Stages as processes that stop where a FIFO has no token, or no space.
class StreamRun {
 public:
  StreamRun(const Graph& design, const ByValue<int64_t>& depths, int images,
            const std::vector<int64_t>& release)
      : design_(design),
        images_(images),
        release_(release),
        fifos_(design.values.size()),
        processes_(design.nodes.size()) {
    TAILOR_CHECK(depths.size() == design.values.size(), "{} depths for {} values", depths.size(),
                 design.values.size());
    for (ValueId v : design.value_ids()) fifos_[v].depth = depths[v];
    for (NodeId n : design.node_ids()) {
      processes_[n].program = stream_program(design, design.node(n));
      for (ValueId id : design.node(n).inputs) fifos_[id].reader = n;
      for (ValueId id : design.node(n).outputs) fifos_[id].writer = n;
      ready_.push_back(n);
    }
  }

  StreamResult run() {
    while (!ready_.empty()) {
      const NodeId n = ready_.front();
      ready_.pop_front();
      processes_[n].queued = false;
      advance(n);
    }
    StreamResult result;
    if (static_cast<int>(finished_.size()) < images_) {
      result.deadlock = true;
      result.deadlock_text = explain_deadlock();
    } else {
      result.latency_cycles = finished_.front();
      if (finished_.size() > 1)
        result.interval_cycles = finished_.back() - finished_[finished_.size() - 2];
    }
    for (const Fifo& f : fifos_) result.high_water.push_back(high_water(f));
    return result;
  }
  /// After run().
  StreamTimes take_times() {
    StreamTimes times;
    times.finished = std::move(finished_);
    times.fifos = std::move(fifos_);
    return times;
  }

 private:
  struct Process {
    std::vector<StreamAction> program;
    size_t at = 0;
    int image = 0;
    int64_t now = 0;
    bool queued = true;
  };

  // A token written in cycle t can be read in t + 1; the place of a token read in t can be written
  // in t + 1.
  static bool can_read(const Fifo& f) { return f.read.size() < f.written.size(); }
  static bool can_write(const Fifo& f) {
    return f.depth == 0 ||
           static_cast<int64_t>(f.written.size()) < f.depth + static_cast<int64_t>(f.read.size());
  }
  static int64_t read_time(const Fifo& f) { return f.written[f.read.size()] + 1; }
  static int64_t write_time(const Fifo& f) {
    const int64_t freed = f.depth == 0 ? -1 : static_cast<int64_t>(f.written.size()) - f.depth;
    return freed < 0 ? int64_t{0} : f.read[static_cast<size_t>(freed)] + 1;
  }

  void wake(NodeId process) {
    if (!process.valid() || processes_[process].queued) return;
    processes_[process].queued = true;
    ready_.push_back(process);
  }

  /// Until it has to wait, or has done its last image.
  void advance(NodeId n) {
    Process& p = processes_[n];
    const Node& node = design_.node(n);
    for (;;) {
      if (p.at == p.program.size()) {
        if (node.is<ops::Output>()) finished_.push_back(p.now);
        if (++p.image >= images_ || p.program.empty()) return;
        p.at = 0;
      }
      if (!act(p, node, p.program[p.at])) return;
      ++p.at;
    }
  }

  /// False if it has to wait for a FIFO.
  bool act(Process& p, const Node& node, const StreamAction& action) {
    switch (action.kind) {
      case Kind::Wait:
        p.now += action.cycles;
        return true;
      case Kind::Read:
        return read(p, fifos_[action.value]);
      case Kind::Write:
        return write(p, fifos_[action.value], action.cycles, node.is<ops::Input>());
      case Kind::Fork:
        return fork(p, node, action);
    }
    return false;
  }
  bool read(Process& p, Fifo& f) {
    if (!can_read(f)) return false;
    p.now = std::max(p.now, read_time(f));
    f.read.push_back(p.now);
    wake(f.writer);
    return true;
  }
  /// The token comes out of the stage's pipeline so many cycles later, and that waits with all that
  /// is in it.
  bool write(Process& p, Fifo& f, int64_t later, bool first) {
    if (!can_write(f)) return false;
    p.now = std::max(p.now, write_time(f) - later);
    if (first && f.written.size() < release_.size())
      p.now = std::max(p.now, release_[f.written.size()]);
    f.written.push_back(p.now + later);
    wake(f.reader);
    return true;
  }
  bool fork(Process& p, const Node& node, const StreamAction& action) {
    Fifo& from = fifos_[action.value];
    bool possible = can_read(from);
    for (ValueId id : node.outputs) possible = possible && can_write(fifos_[id]);
    if (!possible) return false;
    p.now = std::max(p.now, read_time(from));
    for (ValueId id : node.outputs) p.now = std::max(p.now, write_time(fifos_[id]));
    from.read.push_back(p.now);
    wake(from.writer);
    for (ValueId id : node.outputs) {
      fifos_[id].written.push_back(p.now);
      wake(fifos_[id].reader);
    }
    p.now += action.cycles;
    return true;
  }

  std::string explain_deadlock() const {
    std::string text;
    for (NodeId n : design_.node_ids()) {
      const Process& p = processes_[n];
      if (p.at == p.program.size()) continue;
      const StreamAction& action = p.program[p.at];
      ValueId full;
      for (ValueId id : action.kind == Kind::Fork ? design_.node(n).outputs
                                                  : std::vector<ValueId>{action.value}) {
        if (action.kind != Kind::Read && !can_write(fifos_[id])) full = id;
      }
      // The full FIFO is the culprit; the stages that wait for tokens are its victims.
      if (!full.valid()) continue;
      text = fmt::format("{} waits for space in the FIFO {} of depth {}", design_.node(n).name,
                         design_.value(full).name, fifos_[full].depth);
      if (action.kind == Kind::Fork) break;
    }
    return text.empty() ? "a stage waits for a token that never comes" : text;
  }

  static int64_t high_water(const Fifo& f) {
    int64_t most = 0;
    size_t gone = 0;
    for (size_t k = 0; k < f.written.size(); ++k) {
      while (gone < f.read.size() && f.read[gone] < f.written[k]) ++gone;
      most = std::max(most, static_cast<int64_t>(k + 1 - gone));
    }
    return most;
  }

  const Graph& design_;
  int images_;
  const std::vector<int64_t>& release_;
  ByValue<Fifo> fifos_;
  ByNode<Process> processes_;
  std::deque<NodeId> ready_;
  std::vector<int64_t> finished_;  // cycle at which each image's last token left
};

StreamResult run_streams(const Graph& design, const ByValue<int64_t>& depths, int images,
                         StreamTimes* times, const std::vector<int64_t>& release) {
  StreamRun run(design, depths, images, release);
  StreamResult result = run.run();
  if (times) *times = run.take_times();
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
          latest = std::min(latest, read[v][token] - 1 - action.cycles);
          return token;
        };
        if (action.kind == Kind::Wait) {
          latest -= action.cycles;
        } else if (action.kind == Kind::Read) {
          set_read(action.value);
        } else if (action.kind == Kind::Write) {
          const size_t token = set_write(action.value);
          written[action.value][token] = latest + action.cycles;
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

/// For each node: tokens read from input `value` before its k-th write (1-based) to `output`, from
/// one image's program.
std::vector<int64_t> reads_before_writes(const std::vector<StreamAction>& program, ValueId value,
                                         ValueId output) {
  std::vector<int64_t> result = {0};
  int64_t reads = 0;
  for (const StreamAction& action : program) {
    if (action.kind == Kind::Fork) {
      result.push_back(++reads);
    } else if (action.kind == Kind::Read && action.value == value) {
      ++reads;
    } else if (action.kind == Kind::Write && action.value == output) {
      result.push_back(reads);
    }
  }
  return result;
}

/// The stages of a design with what skip_depths() needs of each.
struct Stages {
  explicit Stages(const Graph& graph) : design(graph), writer(producers(graph)) {
    for (const Node& node : design.nodes) {
      programs.push_back(stream_program(design, node));
      holds.push_back(stage_loop(design, node).holds_tokens);
    }
  }
  const Graph& design;
  ByValue<NodeId> writer;
  ByNode<std::vector<StreamAction>> programs;
  ByNode<int64_t> holds;  // tokens that a stage still computes on
};

/// Back along the skip to its clone, or to a convolution that hands its input on: where the way of
/// main inputs from the join passes too. The stages between have one input. `clone` is invalid if
/// there is none.
struct SkipPath {
  NodeId clone;
  std::vector<NodeId> stages;  // from the join on
};
SkipPath skip_path(const Stages& stages, NodeId join, ValueId skip) {
  const Graph& design = stages.design;
  ByNode<char> on_main(design.nodes.size(), 0);
  for (NodeId n = join; !design.node(n).inputs.empty();) {
    n = stages.writer[design.node(n).inputs[0]];
    on_main[n] = 1;
  }
  SkipPath path{stages.writer[skip], {}};
  while (path.clone.valid() && on_main[path.clone] == 0) {
    path.stages.push_back(path.clone);
    const Node& stage = design.node(path.clone);
    path.clone = stage.inputs.size() == 1 ? stages.writer[stage.inputs[0]] : NodeId();
  }
  return path;
}

/// Reads of the join's main input before each read of the skip.
std::vector<int64_t> reads_of_main(const std::vector<StreamAction>& join, ValueId main,
                                   ValueId skip) {
  std::vector<int64_t> main_reads;
  int64_t reads = 0;
  for (const StreamAction& action : join) {
    if (action.kind != Kind::Read) continue;
    if (action.value == main) ++reads;
    if (action.value == skip) main_reads.push_back(reads);
  }
  return main_reads;
}

/// Tokens that the clone must have written before the join can take the skip's j-th token, and
/// those that the stages between compute on.
struct CloneDemand {
  std::vector<int64_t> tokens;
  int64_t in_flight = 0;
};
/// Composes "reads before the k-th write" along every path from the join's main input back to the
/// clone.
CloneDemand demand_of_clone(const Stages& stages, NodeId join, NodeId clone, ValueId skip) {
  const Graph& design = stages.design;
  const ValueId main = design.node(join).inputs[0];
  // demand[v]: tokens that must have been written to v before the join can take the skip's j-th.
  ByValue<std::vector<int64_t>> demand(design.values.size());
  ByValue<int64_t> convolutions(design.values.size(), -1);
  demand[main] = reads_of_main(stages.programs[join], main, skip);
  convolutions[main] = stages.holds[join];
  CloneDemand at_clone{std::vector<int64_t>(demand[main].size(), 0)};
  auto raise = [](std::vector<int64_t>& mine, size_t j, int64_t tokens) {
    mine[j] = std::max(mine[j], tokens);
  };
  for (size_t n = join.index(); n-- > clone.index();) {
    const Node& stage = design.nodes[n];
    for (ValueId out : stage.outputs) {
      const auto& wanted = demand[out];
      if (wanted.empty()) continue;
      if (n == clone.index()) {
        for (size_t j = 0; j < wanted.size(); ++j) raise(at_clone.tokens, j, wanted[j]);
        at_clone.in_flight = std::max(at_clone.in_flight, convolutions[out]);
        continue;
      }
      for (ValueId in : stage.inputs) {
        const std::vector<int64_t> needs = reads_before_writes(stages.programs[NodeId(n)], in, out);
        auto& mine = demand[in];
        mine.resize(wanted.size(), 0);
        for (size_t j = 0; j < wanted.size(); ++j)
          raise(mine, j, needs[static_cast<size_t>(wanted[j])]);
        convolutions[in] = std::max(convolutions[in], convolutions[out] + stages.holds[NodeId(n)]);
      }
    }
  }
  return at_clone;
}

}  // namespace

std::vector<SkipDepth> skip_depths(const Graph& design) {
  const Stages stages(design);
  std::vector<SkipDepth> result;
  for (NodeId join : design.node_ids()) {
    const Node& node = design.node(join);
    for (size_t s = 1; s < node.inputs.size(); ++s) {
      SkipDepth depth;
      depth.value = node.inputs[s];
      const SkipPath path = skip_path(stages, join, depth.value);
      if (!path.clone.valid()) continue;
      CloneDemand demand = demand_of_clone(stages, join, path.clone, depth.value);
      // Forward along the skip: how many tokens those let through to the join's FIFO.
      for (auto stage = path.stages.rbegin(); stage != path.stages.rend(); ++stage) {
        const std::vector<int64_t> needs = reads_before_writes(
            stages.programs[*stage], design.node(*stage).inputs[0], design.node(*stage).outputs[0]);
        for (int64_t& tokens : demand.tokens)
          tokens = std::upper_bound(needs.begin(), needs.end(), tokens) - needs.begin() - 1;
      }
      for (size_t j = 0; j < demand.tokens.size(); ++j) {
        depth.deadlock_free =
            std::max(depth.deadlock_free, demand.tokens[j] - static_cast<int64_t>(j));
      }
      depth.full_speed = depth.deadlock_free + demand.in_flight;
      result.push_back(depth);
    }
  }
  return result;
}

}  // namespace tailor::emulate
