// Raw reads of users' files: .npy of any type, fast5 of one read and of many, and what is damaged.
#include "tailor/data/reads.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/npy.h"
#include "support/rooms.h"
#include "tailor/core/files.h"
#include "tailor/core/threads.h"

#ifdef TAILOR_WITH_HDF5
#include <dlfcn.h>

#include "support/hdf5.h"
#endif

namespace tailor::test::reads_test {
namespace {

using testing::expect_error;
using testing::npy_bytes;
using testing::packed_bytes;

class Reads : public ::testing::Test {
 protected:
  TemporaryDirectory folder_;
  std::string path_of(const std::string& name) const { return path_join(folder_.path(), name); }
  std::string save(const std::string& name, const std::string& bytes) const {
    write_file(path_of(name), bytes);
    return path_of(name);
  }
};

TEST_F(Reads, AreTheNumbersOfAnArray) {
  const std::vector<int> raw = {4, -7, 300, 2, 5, 6};
  std::string path = save("one.npy", npy_bytes("<i2", "(6,)", packed_bytes<int16_t>(raw)));
  auto reads = open_reads(path);
  ASSERT_EQ(reads->size(), 1);
  RawRead read = reads->read(0);
  EXPECT_EQ(read.id, "one");
  EXPECT_EQ(read.samples, (std::vector<float>{4, -7, 300, 2, 5, 6}));
  EXPECT_EQ(read.rate_hz, 0);
  path = save("Two.NPY", npy_bytes("<f4", "(2, 3)", packed_bytes<float>(raw)));
  reads = open_reads(path);
  ASSERT_EQ(reads->size(), 2);
  read = reads->read(1);
  EXPECT_EQ(read.id, "Two_1");
  EXPECT_EQ(read.samples, (std::vector<float>{2, 5, 6}));
}

TEST_F(Reads, OfNoArrayAreErrors) {
  for (const char* name : {"a.npy", "a.fast5", "a.pod5"})
    expect_error(ErrorKind::Data, {name, "No such file"}, [&] { open_reads(path_of(name)); });
  expect_error(ErrorKind::Data, {folder_.path(), "it is a folder; expected raw signal files"},
               [&] { open_reads(folder_.path()); });
  expect_error(ErrorKind::Data, {"a.npy", "does not begin"},
               [&] { open_reads(save("a.npy", "something else")); });
  expect_error(ErrorKind::Data, {"a.npy", "[samples]", "[1, 1, 2]"},
               [&] { open_reads(save("a.npy", npy_bytes("|u1", "(1, 1, 2)", "xy"))); });
  expect_error(ErrorKind::Data, {"a.npy", "[samples]", "[0]"},
               [&] { open_reads(save("a.npy", npy_bytes("|u1", "(0,)", ""))); });
  expect_error(ErrorKind::Unsupported, {"a.pod5", ".fast5"},
               [&] { open_reads(save("a.pod5", "x")); });
}

#ifndef TAILOR_WITH_HDF5

TEST_F(Reads, OfFast5NeedHdf5) {
  EXPECT_FALSE(reads_fast5());
  expect_error(ErrorKind::Unsupported, {"a.fast5", "libhdf5-dev"},
               [&] { open_reads(save("a.fast5", "x")); });
  GTEST_SKIP() << "built without HDF5 (libhdf5-dev)";
}

#else

using namespace testing;

void set_channel(hid_t file, const std::string& place) {
  const Group channel(make_group(file, place));
  set_number(channel, "digitisation", 8192);
  set_number(channel, "offset", 4);
  set_number(channel, "range", 1497.75);
  set_number(channel, "sampling_rate", 4000);
}
herr_t set_signal(hid_t group, const std::vector<int16_t>& samples, H5Z_filter_t filter = 0,
                  const std::vector<unsigned>& values = {}) {
  return set_row(group, "Signal", samples, filter, values);
}
float picoampere(int raw) { return static_cast<float>((raw + 4) * (1497.75 / 8192)); }

std::vector<int16_t> counted(int first, size_t count) {
  std::vector<int16_t> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(static_cast<int16_t>(first + static_cast<int>(i * 37 % 101)));
  return out;
}

TEST_F(Reads, OfAFast5WithOne) {
  const std::string path = path_of("single.fast5");
  {
    const File file(make_file(path));
    set_channel(file, "UniqueGlobalKey/channel_id");
    const Group read(make_group(file, "Raw/Reads/Read_240"));
    set_text(read, "read_id", "0a-b1", false);
    set_signal(read, {500, -20, 32767}, H5Z_FILTER_DEFLATE, {3});
  }
  const auto reads = open_reads(path);
  ASSERT_EQ(reads->size(), 1);
  const RawRead read = reads->read(0);
  EXPECT_EQ(read.id, "0a-b1");
  EXPECT_EQ(read.rate_hz, 4000);
  EXPECT_EQ(read.samples,
            (std::vector<float>{picoampere(500), picoampere(-20), picoampere(32767)}));
}

TEST_F(Reads, OfAFast5WithMany) {
  const std::string path = path_of("multi.h5");
  {
    const File file(make_file(path));
    for (int i = 0; i < 9; ++i) {
      const std::string name = "read_" + std::to_string(i);
      set_channel(file, name + "/channel_id");
      const Group raw(make_group(file, name + "/Raw"));
      if (i != 7) set_text(raw, "read_id", "uuid-" + std::to_string(i), true);
      set_signal(raw, counted(i, 50 + static_cast<size_t>(i)));
    }
    const Group other(make_group(file, "something_else"));
  }
  const auto reads = open_reads(path);
  ASSERT_EQ(reads->size(), 9);
  parallel_for(18, 2, [&](int64_t i) {
    const RawRead read = reads->read(i % 9);
    EXPECT_EQ(read.id, i % 9 == 7 ? "7" : "uuid-" + std::to_string(i % 9));
    ASSERT_EQ(read.samples.size(), static_cast<size_t>(50 + i % 9));
    EXPECT_EQ(read.samples[1], picoampere(static_cast<int>(i % 9) + 37));
  });
}

TEST_F(Reads, OfAFast5ThroughVbz) {
  void* library = ::dlopen("libvbz_hdf_plugin.so.0", RTLD_NOW);
  if (library == nullptr) GTEST_SKIP() << "VBZ's plug-in is not there (libvbz-hdf-plugin0)";
  const auto info = reinterpret_cast<const void* (*)()>(::dlsym(library, "H5PLget_plugin_info"));
  ASSERT_NE(info, nullptr);
  ASSERT_GE(H5Zregister(info()), 0);
  const std::string path = path_of("vbz.fast5");
  const std::vector<int16_t> samples = counted(400, 30000);
  {
    const File file(make_file(path));
    set_channel(file, "read_1/channel_id");
    const Group raw(make_group(file, "read_1/Raw"));
    // Version 0, two bytes, zig-zag, zstd's level.
    ASSERT_GE(set_signal(raw, samples, 32020, {0, 2, 1, 1}), 0);
  }
  EXPECT_LT(read_file(path).size(), 40000U);
  // The reader finds the plug-in itself.
  ASSERT_GE(H5Zunregister(32020), 0);
  const RawRead read = open_reads(path)->read(0);
  ASSERT_EQ(read.samples.size(), 30000U);
  for (size_t i = 0; i < samples.size(); ++i)
    ASSERT_EQ(read.samples[i], picoampere(samples[i])) << i;
}

size_t pass_on(unsigned, size_t, const unsigned*, size_t bytes, size_t*, void**) { return bytes; }

TEST_F(Reads, ThroughAFilterThatIsNotThereAreAnError) {
  constexpr H5Z_filter_t kOwn = 400;
  const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, kOwn, 1, 1, "test", nullptr, nullptr, pass_on};
  ASSERT_GE(H5Zregister(&filter), 0);
  const std::string path = path_of("own.fast5");
  {
    const File file(make_file(path));
    set_channel(file, "read_1/channel_id");
    const Group raw(make_group(file, "read_1/Raw"));
    set_signal(raw, {1, 2, 3}, kOwn);
  }
  EXPECT_EQ(open_reads(path)->read(0).samples.size(), 3U);
  ASSERT_GE(H5Zunregister(kOwn), 0);
  expect_error(ErrorKind::Unsupported, {"own.fast5", "read_1/Raw/Signal", "filter 400"},
               [&] { open_reads(path)->read(0); });
}

TEST_F(Reads, OfADamagedFast5AreErrors) {
  expect_error(ErrorKind::Data, {"none.fast5"}, [&] { open_reads(path_of("none.fast5")); });
  expect_error(ErrorKind::Data, {"a.fast5", "HDF5", "empty"},
               [&] { open_reads(save("a.fast5", "")); });
  expect_error(ErrorKind::Data, {"a.fast5", "HDF5"}, [&] { open_reads(save("a.fast5", "text")); });
  const std::string path = path_of("b.fast5");
  { const File file(make_file(path)); }
  expect_error(ErrorKind::Data, {"b.fast5", "expected raw reads"}, [&] { open_reads(path); });
  {
    const File file(make_file(path));
    const Group group(make_group(file, "Analyses/EventDetection_000"));
  }
  expect_error(ErrorKind::Data, {"b.fast5", "events or calls"}, [&] { open_reads(path); });
}

TEST_F(Reads, OfAFast5WithoutWhatTheyNeedAreErrors) {
  const std::string path = path_of("c.fast5");
  auto refuses = [&](std::initializer_list<std::string> words) {
    expect_error(ErrorKind::Data, words, [&] { open_reads(path)->read(0); });
  };
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_1/Raw"));
  }
  refuses({"c.fast5", "read_1/channel_id"});
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_\x1b[2J/Raw"));
  }
  refuses({"c.fast5", "read_?[2J/channel_id"});
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_1/Raw"));
    const Group channel(make_group(file, "read_1/channel_id"));
    set_number(channel, "offset", 4);
    set_text(channel, "range", "much", false);
  }
  refuses({"read_1/channel_id", "a number 'range'"});
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_1/Raw"));
    const Group channel(make_group(file, "read_1/channel_id"));
    for (const char* name : {"offset", "range", "digitisation", "sampling_rate"})
      set_number(channel, name, 0);
  }
  refuses({"read_1/channel_id", "above 0"});
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_1/Raw"));
    set_channel(file, "read_1/channel_id");
  }
  refuses({"read_1/Raw/Signal", "no such dataset"});
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_1/Raw"));
    set_channel(file, "read_1/channel_id");
    const hsize_t size = 5;
    const Space space(H5Screate_simple(1, &size, nullptr));
    const Closed<H5Dclose> data(
        H5Dcreate2(raw, "Signal", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  }
  refuses({"read_1/Raw/Signal", "16-bit"});
  {
    const File file(make_file(path));
    const Group raw(make_group(file, "read_1/Raw"));
    set_channel(file, "read_1/channel_id");
    const hsize_t size = hsize_t{1} << 40, chunk = 4096;
    const Space space(H5Screate_simple(1, &size, nullptr));
    const Closed<H5Pclose> properties(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_chunk(properties, 1, &chunk);
    const Closed<H5Dclose> data(
        H5Dcreate2(raw, "Signal", H5T_STD_I16LE, space, H5P_DEFAULT, properties, H5P_DEFAULT));
  }
  refuses({"read_1/Raw/Signal", "at most", "1099511627776"});
}

#endif

}  // namespace
}  // namespace tailor::test::reads_test
