// tailor basecall: the bases of raw reads, as FASTQ or FASTA.
#include <algorithm>
#include <cmath>

#include "cli/sequences.h"
#include "tailor/core/files.h"
#include "tailor/core/interrupt.h"
#include "tailor/core/log.h"
#include "tailor/core/progress.h"
#include "tailor/core/strings.h"
#include "tailor/core/threads.h"
#include "tailor/data/reads.h"
#include "tailor/data/signal.h"
#include "tailor/task/bases.h"

namespace tailor::cli {
namespace {

/// Chunks that are run at once, and samples of the largest.
constexpr int64_t kChunksAtOnce = 16, kMostChunk = 1'000'000;

class Basecaller {
 public:
  Basecaller(SequenceRunner& runner, const BasecallOptions& options, const CtcConfig& ctc)
      : runner_(runner), ctc_(ctc), normalised_(options.normalised) {
    chunk_ = options.chunk > 0 ? options.chunk : runner.input.width;
    if (chunk_ > kMostChunk) {
      fail(ErrorKind::Usage, "--chunk: expected at most {} samples, got {}", kMostChunk, chunk_);
    }
    // Bonito's overlap, or what a shorter chunk has room for.
    overlap_ = options.overlap.value_or(std::min(int64_t{500}, chunk_ / 4));
    if (const int64_t answers = (chunk_ + runner.stride - 1) / runner.stride;
        runner.positions(chunk_) != answers) {
      fail(ErrorKind::Unsupported,
           "{}: a chunk of {} samples has {} answers, expected {}, one every {} samples: chunks of "
           "a network whose convolutions are not padded cannot be joined",
           runner.title, chunk_, runner.positions(chunk_), answers, runner.stride);
    }
    if (overlap_ >= chunk_) {
      fail(ErrorKind::Usage, "--overlap: expected less than the chunk of {} samples, got {}",
           chunk_, overlap_);
    }
  }

  /// `where` names the read in messages.
  BaseCall call(RawRead read, const std::string& where) const {
    if (!normalised_) {
      normalise_read(read.samples, where);
    } else if (!std::all_of(read.samples.begin(), read.samples.end(),
                            [](float v) { return std::isfinite(v); })) {
      fail(ErrorKind::Data, "{}: expected finite samples, got one that is none", where);
    }
    if (read.samples.empty()) fail(ErrorKind::Data, "{}: expected samples, got none", where);
    const auto samples = static_cast<int64_t>(read.samples.size());
    const std::vector<SignalChunk> chunks = plan_chunks(samples, chunk_, overlap_, runner_.stride);
    std::vector<float> outputs;
    const auto count = static_cast<int64_t>(chunks.size());
    for (int64_t first = 0; first < count; first += kChunksAtOnce) {
      throw_if_interrupted();
      append_answers(
          read,
          {chunks.data() + first, static_cast<size_t>(std::min(kChunksAtOnce, count - first))},
          outputs);
    }
    const std::vector<float> log_p = log_softmax_rows(outputs, runner_.classes);
    const FrameAnswers answers{log_p, runner_.classes};
    return ctc_.beam > 1 ? decode_beam(answers, ctc_.beam, ctc_.beam_threshold)
                         : decode_path(answers);
  }

 private:
  void append_answers(const RawRead& read, Span<const SignalChunk> chunks,
                      std::vector<float>& outputs) const {
    const auto width = static_cast<size_t>(chunk_);
    Tensor inputs(DType::F32, {static_cast<int64_t>(chunks.size()), 1, chunk_, 1});
    for (size_t i = 0; i < chunks.size(); ++i)
      cut_chunk(read.samples, chunks[i], {inputs.as<float>().data() + i * width, width});
    const Tensor answers = runner_.run(inputs, {});
    const int64_t row = answers.shape().at(1) * runner_.classes;
    for (size_t i = 0; i < chunks.size(); ++i) {
      const float* begin = answers.as<float>().data() + static_cast<int64_t>(i) * row;
      outputs.insert(outputs.end(), begin + chunks[i].begin_frame * runner_.classes,
                     begin + chunks[i].end_frame * runner_.classes);
    }
  }

  SequenceRunner& runner_;
  CtcConfig ctc_;
  int64_t chunk_ = 0, overlap_ = 0;
  bool normalised_;
};

struct CallCounts {
  int64_t reads = 0, bases = 0, samples = 0, failed = 0;
  int64_t empty = 0;        // of the reads those without a base, which have no record
  std::string first_empty;  // where
};

/// A record's name ends at its first blank.
std::string record_of(std::string id, const BaseCall& call, bool fastq) {
  for (char& c : id) {
    if (static_cast<unsigned char>(c) <= ' ') c = '_';
  }
  const std::string bases = base_alphabet().text(call.labels);
  return fastq ? fmt::format("@{}\n{}\n+\n{}\n", id, bases, quality_text(call))
               : fmt::format(">{}\n{}\n", id, bases);
}

/// The command's output: a file of whole records, or stdout.
class Records {
 public:
  explicit Records(const BasecallOptions& o) {
    if (!o.output.empty()) file_.emplace(o.output);
  }
  void write(const std::string& record) {
    if (file_) {
      file_->write(record);
    } else {
      fmt::print("{}", record);
    }
  }
  void commit() {
    if (file_) file_->commit();
  }

 private:
  std::optional<AtomicFile> file_;
};

void call_file(const Basecaller& caller, const std::string& file, bool fastq, Records& records,
               CallCounts& counts) {
  const auto reads = open_reads(file);
  for (int64_t i = 0; i < reads->size(); ++i) {
    throw_if_interrupted();
    try {
      RawRead read = reads->read(i);
      const auto samples = static_cast<int64_t>(read.samples.size());
      const std::string id = read.id, where = fmt::format("{}: read {}", file, id);
      const BaseCall call = caller.call(std::move(read), where);
      // A record without bases is none that other programs read.
      if (!call.labels.empty()) {
        records.write(record_of(id, call, fastq));
      } else if (counts.empty++ == 0) {
        counts.first_empty = where;
      }
      ++counts.reads;
      counts.bases += static_cast<int64_t>(call.labels.size());
      counts.samples += samples;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data) throw;
      ++counts.failed;
      log_warn("cli", "{}", with_file(file, e.what()));
    }
  }
}

/// What was called before an interruption is kept; where nothing was, there is no file.
void call_files(const Basecaller& caller, const BasecallOptions& options, Records& records,
                CallCounts& counts) {
  try {
    for (const std::string& file : options.files) {
      try {
        call_file(caller, file, options.format == "fastq", records, counts);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Unsupported) throw;
        ++counts.failed;
        log_warn("cli", "{}", with_file(file, e.what()));
      }
    }
  } catch (const Interrupted&) {
    if (counts.reads > 0 && !options.output.empty()) {
      records.commit();
      log_warn("cli", "stopped: {} has the {} reads that were called", options.output,
               counts.reads);
    }
    throw;
  }
  if (counts.reads > 0 || counts.failed == 0) records.commit();
}

}  // namespace

int run_basecall(const BasecallOptions& options) {
  if (!options.output.empty()) refuse_to_replace("--output", options.output, options.force);
  for (const std::string& file : options.files) {
    if (!options.output.empty() && absolute_path(file) == absolute_path(options.output))
      fail(ErrorKind::Usage, "--output {}: it is one of the raw reads; name another", file);
  }
  if (options.json && options.output.empty()) {
    fail(ErrorKind::Usage,
         "--json: standard output has the bases; write them into a file with --output FILE");
  }
  const auto runner = open_sequence_network(options.checkpoint);
  if (runner->kind != ExampleKind::Signal) {
    fail(ErrorKind::Usage,
         "{}: it is a network on {}, not on a pore's current; use tailor "
         "transcribe",
         runner->title, to_string(runner->kind));
  }
  CtcConfig ctc = runner->ctc;
  if (options.beam) ctc.beam = *options.beam;
  verify_config(ctc, "tailor basecall");
  const Basecaller caller(*runner, options, ctc);
  Records records(options);
  CallCounts counts;
  call_files(caller, options, records, counts);
  if (counts.empty > 0) {
    log_warn("cli", "{} of {} reads call to no bases and are left out; the first is {}",
             counts.empty, counts.reads, counts.first_empty);
  }
  if (options.json) {
    fmt::print("{}\n", Json::object({{"reads", counts.reads},
                                     {"bases", counts.bases},
                                     {"samples", counts.samples},
                                     {"empty", counts.empty},
                                     {"failed", counts.failed},
                                     {"output", options.output}})
                           .dump(2));
  } else {
    log_info("cli", "{} reads, {} bases of {} samples", counts.reads, counts.bases, counts.samples);
  }
  if (counts.failed > 0)
    fail(ErrorKind::Data, "{} reads or files could not be read; the log names them", counts.failed);
  return 0;
}

}  // namespace tailor::cli
