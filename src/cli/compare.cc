// tailor compare: finished runs side by side, those that differ by their seeds alone as one row
// with mean and deviation. What they differ in is read from their configurations.
#include <algorithm>
#include <cmath>
#include <set>

#include "cli/compare.h"
#include "cli/runs.h"
#include "cli/source.h"
#include "cli/table.h"
#include "tailor/cli/commands.h"
#include "tailor/core/files.h"
#include "tailor/core/log.h"
#include "tailor/report/runs.h"
#include "tailor/run/checkpoint.h"
#include "tailor/run/results.h"
#include "tailor/run/run_config.h"
#include "tailor/run/run_folder.h"

namespace tailor::cli {
namespace {

FinishedRun read_run(const std::string& path) {
  FinishedRun run{path, read_summary(path_join(path, "summary.json")), {}, {}, {}};
  const RunConfig config = load_run_config(path_join(path, "config.json"), {}).config;
  run.settings = settings_of(config, path), run.seeds = seeds_of(config);
  const std::string last = path_join(path, "last.ckpt");
  const Checkpoint checkpoint = load_checkpoint(last);
  try {
    run.cost = estimate_network(checkpoint.network, export_of(checkpoint, last)).cost;
  } catch (const Error& e) {
    log_warn("compare", "{}: its design has no cost: {}", path, e.what());
  }
  return run;
}

/// Those that are finished and can be read; the others are warned of. Throws Usage where there are
/// none.
std::vector<FinishedRun> read_runs(const std::vector<std::string>& paths) {
  std::vector<FinishedRun> runs;
  std::set<std::string> seen;
  DamageReport damage("compare");
  const std::vector<std::string> opened = open_folders(paths, RunFolder::is_run);
  for (const std::string& path : opened) {
    if (!path_exists(path)) fail(ErrorKind::Usage, "{}: there is no such folder", path);
    if (!RunFolder::is_run(path)) {  // as a pattern of the shell finds beside them
      log_warn("compare", "{}: it is no run (there is no config.json in it), and left out", path);
      continue;
    }
    if (!seen.insert(absolute_path(path)).second) continue;
    if (path_exists(path_join(path, "summary.json"))) {
      damage.read([&] { runs.push_back(read_run(path)); });
    } else {
      log_warn("compare", "{}: it is not finished, and left out", path);
    }
  }
  damage.say(runs.empty());
  if (runs.empty()) {
    fail(ErrorKind::Usage, "none of the {} is finished",
         counted(static_cast<int64_t>(opened.size()), "run"));
  }
  for (const FinishedRun& run : runs) {
    const std::string &mine = run.summary.last.test.name, &first = runs[0].summary.last.test.name;
    if (mine == first) continue;
    fail(ErrorKind::Usage, "{} is judged by its {}, and {} by its {}: expected runs of one task",
         run.path, mine, runs[0].path, first);
  }
  return runs;
}

template <typename Of>
Spread spread(const Seeds& group, Of of) {
  std::vector<double> values;
  for (const FinishedRun* run : group) {
    if (const std::optional<double> value = of(*run)) values.push_back(*value);
  }
  return report::spread_of(values);
}

/// For people "83.00 ± 3.00" and "75,290"; for a program plain numbers, a deviation in a cell of
/// its own, and nothing where there is none.
struct Style {
  bool plain = false;

  std::string none() const { return plain ? "" : "–"; }
  std::string integer(int64_t n) const { return plain ? std::to_string(n) : with_commas(n); }
  std::vector<std::string> spread(const Spread& s) const {
    const std::string mean = s.count == 0 ? none() : fmt::format("{:.2f}", s.mean),
                      deviation = s.count > 1 ? fmt::format("{:.2f}", s.deviation) : "";
    if (plain) return {mean, deviation};
    return {deviation.empty() ? mean : mean + " ± " + deviation};
  }
  std::vector<std::string> header(const std::string& of) const {
    if (plain) return {of, of + " deviation"};
    return {of};
  }
};
Json spread_json(const Spread& s) {
  if (s.count == 0) return {};
  Json json = Json::object({{"mean", s.mean}});
  json.set("deviation", s.count > 1 ? Json(s.deviation) : Json());
  return json;
}

Json cost_json(const FinishedRun& run, int64_t Cost::*what) {
  return run.cost ? Json((*run.cost).*what) : Json();
}

/// One row for people and for programs.
struct Row {
  std::string name;
  const Seeds* group = nullptr;
  Spread teacher, last, best, hours;
};

Row row_of(const Seeds& group) {
  Row row{file_name(absolute_path(group[0]->path)), &group, {}, {}, {}, {}};
  if (group.size() > 1) row.name += fmt::format(" (+{})", group.size() - 1);
  row.teacher = spread(group, [](const FinishedRun& r) { return teacher_of(r.summary); });
  row.last = spread(group, [](const FinishedRun& r) { return r.summary.last.test.value; });
  row.best = spread(group, [](const FinishedRun& r) {
    return r.summary.best ? r.summary.best->test.value : std::nullopt;
  });
  row.hours = spread(group, [](const FinishedRun& r) {
    return std::optional((r.summary.seconds + r.summary.earlier.seconds) / 3600);
  });
  return row;
}

using Lines = std::vector<std::string>;
using Cells = std::vector<Lines>;

/// More settings than these are told in words behind the table.
constexpr size_t kMostColumns = 4;

void append(std::vector<std::string>& to, const std::vector<std::string>& cells) {
  to.insert(to.end(), cells.begin(), cells.end());
}

std::vector<std::string> header_of(const std::vector<std::string>& keys, const std::string& figure,
                                   const Style& style) {
  std::vector<std::string> header = {"run", "network"};
  append(header, keys);
  header.emplace_back("runs");
  for (const std::string& of : {"teacher " + figure, "test " + figure, std::string("of best")})
    append(header, style.header(of));
  append(header, {"skips", "before", "parameters", "multipliers", "DSPs", "cycles", "hours"});
  return header;
}

Cells cells_of(const std::vector<Row>& rows, const std::vector<std::string>& keys,
               const Style& style) {
  Cells cells = {header_of(keys, (*rows[0].group)[0]->summary.last.test.name, style)};
  for (const Row& row : rows) {
    const FinishedRun& first = *(*row.group)[0];
    std::vector<std::string> line = {row.name, first.summary.network};
    for (const std::string& key : keys) {
      const std::string text = setting_text(first.settings, key).value_or("");
      line.push_back(text.empty() ? style.none() : text);
    }
    line.push_back(std::to_string(row.group->size()));
    for (const Spread* of : {&row.teacher, &row.last, &row.best}) append(line, style.spread(*of));
    append(line, {style.integer(first.summary.skips), style.integer(first.summary.skips_before),
                  style.integer(first.summary.parameters)});
    for (int64_t Cost::*what : {&Cost::multipliers, &Cost::dsp, &Cost::interval_cycles})
      line.push_back(first.cost ? style.integer((*first.cost).*what) : style.none());
    line.push_back(fmt::format("{:.2f}", row.hours.mean));
    cells.push_back(std::move(line));
  }
  return cells;
}

/// What most rows have, and in what each is another: where a column for every setting would leave
/// no place for what came of it. Of two that as many have, the first row's.
Lines settings_in_words(const std::vector<Row>& rows, const std::vector<std::string>& keys) {
  auto value_in = [](const Row& row, const std::string& key) {
    return setting_text((*row.group)[0]->settings, key);
  };
  auto shown = [](const std::string& text) { return text.empty() ? "none" : printable(text); };
  Lines usual, lines;
  std::map<std::string, std::string> most;
  for (const std::string& key : keys) {
    std::vector<std::pair<std::string, int>> counts;  // by their first row
    for (const Row& row : rows) {
      const std::optional<std::string> text = value_in(row, key);
      if (!text) continue;
      const auto same = std::find_if(counts.begin(), counts.end(),
                                     [&](const auto& c) { return c.first == *text; });
      if (same == counts.end()) {
        counts.emplace_back(*text, 1);
      } else {
        ++same->second;
      }
    }
    most[key] = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
                  return a.second < b.second;
                })->first;
    usual.push_back(key + " " + shown(most[key]));
  }
  lines.push_back("most have: " + join(usual, ", "));
  for (const Row& row : rows) {
    Lines others;
    for (const std::string& key : keys) {
      const std::optional<std::string> text = value_in(row, key);
      if (text && *text != most[key]) others.push_back(key + " " + shown(*text));
    }
    lines.push_back(row.name + ": " + (others.empty() ? "as most" : join(others, ", ")));
  }
  return lines;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}
std::string csv_text(const Cells& cells) {
  std::string text;
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + csv_cell(row[i]);
    text += "\n";
  }
  return text;
}

Json::Array answer_of(const std::vector<Row>& rows, const std::vector<std::string>& keys) {
  Json::Array list;
  for (const Row& row : rows) {
    const FinishedRun& first = *(*row.group)[0];
    Json::Array runs;
    for (const FinishedRun* run : *row.group) runs.emplace_back(run->path);
    Json settings = Json::object();
    for (const std::string& key : keys) {
      const auto found = first.settings.find(key);
      const std::string text = setting_text(first.settings, key).value_or("");
      settings.set(key, found != first.settings.end() ? found->second
                        : text.empty()                ? Json()
                                                      : Json(text));
    }
    list.push_back(Json::object({{"runs", runs},
                                 {"network", first.summary.network},
                                 {"settings", settings},
                                 {"figure", first.summary.last.test.name},
                                 {"teacher", spread_json(row.teacher)},
                                 {"last", spread_json(row.last)},
                                 {"best", spread_json(row.best)},
                                 {"skips", first.summary.skips},
                                 {"skips_before", first.summary.skips_before},
                                 {"parameters", first.summary.parameters},
                                 {"multipliers", cost_json(first, &Cost::multipliers)},
                                 {"dsp", cost_json(first, &Cost::dsp)},
                                 {"interval_cycles", cost_json(first, &Cost::interval_cycles)},
                                 {"hours", spread_json(row.hours)}}));
  }
  return list;
}

std::vector<Row> rows_of(const std::vector<Seeds>& groups) {
  std::vector<Row> rows(groups.size());
  std::transform(groups.begin(), groups.end(), rows.begin(), row_of);
  return rows;
}

}  // namespace

Json comparison_of(const std::vector<std::string>& folders) {
  const std::vector<FinishedRun> runs = read_runs(folders);
  const std::vector<Seeds> groups = groups_of(runs);
  return answer_of(rows_of(groups), differing_keys(groups));
}

int run_compare(const CompareOptions& options) {
  if (options.json) {
    fmt::print("{}\n", Json::object({{"rows", comparison_of(options.runs)}}).dump(2));
    return 0;
  }
  const std::vector<FinishedRun> runs = read_runs(options.runs);
  const std::vector<Seeds> groups = groups_of(runs);
  const std::vector<std::string> keys = differing_keys(groups);
  const std::vector<Row> rows = rows_of(groups);
  if (options.format == "csv") {
    fmt::print("{}", csv_text(cells_of(rows, keys, {/*plain=*/true})));
    return 0;
  }
  const bool columns = keys.size() <= kMostColumns, markdown = options.format == "markdown";
  const Cells cells = cells_of(rows, columns ? keys : Lines(), {});
  if (markdown) {
    fmt::print("{}", emit_markdown_table(cells));
  } else {
    Table table(cells[0]);
    for (size_t i = 1; i < cells.size(); ++i) table.add(cells[i]);
    fmt::print("{}", table.text());
  }
  if (columns) return 0;
  fmt::print("\n");
  for (const std::string& line : settings_in_words(rows, keys))
    fmt::print("{}\n", wrap(markdown ? "- " + line : line, 100));
  return 0;
}

}  // namespace tailor::cli
