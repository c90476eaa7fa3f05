#include "data/sentences.h"

#include <algorithm>
#include <set>

#include "tailor/core/error.h"
#include "tailor/core/random.h"
#include "tailor/core/strings.h"

namespace tailor::data {
namespace {

struct Words {
  std::vector<std::string> nouns = split(
      "dog cat horse bird farmer sailor teacher doctor king girl garden river bridge window door "
      "table letter basket lamp boat road hill tree stone coat apple book clock ship bell",
      ' ');
  std::vector<std::string> adjectives = split(
      "old young small green red quiet dark heavy happy cold long new broken white lazy clever",
      ' ');
  std::vector<std::string> transitive = split(
      "found painted carried watched opened bought lost followed kept moved cleaned pulled wanted "
      "saw built sold left loved dropped drew",
      ' ');
  std::vector<std::string> intransitive =
      split("slept waited sang worked laughed danced stood talked", ' ');
  std::vector<std::string> prepositions = split("near under behind beside over by", ' ');
  std::vector<std::string> determiners = split("the the this his her my", ' ');
  std::vector<std::string> pronouns = split("he she they we i", ' ');
  std::vector<std::string> numbers = split("two three four six seven ten", ' ');
  std::vector<std::string> owners = split("peter's anna's tom's maria's", ' ');
  std::vector<std::string> times =
      split("today,yesterday,at night,in spring,before noon,after supper", ',');
};
const Words& words() {
  static const Words all;
  return all;
}

std::string plural(const std::string& noun) { return noun + "s"; }

std::string draw_sentence(CounterRandom& random) {
  const Words& w = words();
  auto any = [&](const std::vector<std::string>& list) -> const std::string& {
    return list[static_cast<size_t>(random.below(static_cast<int64_t>(list.size())))];
  };
  // A noun, half of the time with an adjective.
  auto thing = [&] {
    const std::string adjective = random.below(2) == 0 ? any(w.adjectives) + ' ' : "";
    const std::string& noun = any(w.nouns);
    return any(w.determiners) + ' ' + adjective + noun;
  };
  std::vector<std::string> parts;
  switch (random.below(5)) {
    case 0:
      parts = {thing(), any(w.transitive), thing()};
      break;
    case 1:
      parts = {any(w.pronouns), any(w.transitive), any(w.numbers), plural(any(w.nouns))};
      if (random.below(2) == 0) parts.push_back(any(w.times));
      break;
    case 2:
      parts = {thing(), any(w.intransitive), any(w.prepositions), "the", any(w.nouns)};
      break;
    case 3:
      parts = {any(w.pronouns), any(w.transitive), any(w.owners), any(w.adjectives), any(w.nouns)};
      break;
    default:
      parts = {any(w.determiners), any(w.adjectives), any(w.nouns), any(w.intransitive),
               any(w.times)};
  }
  return join(parts, " ");
}

/// One sentence in eight is for tests, by itself: no count changes which.
bool is_for_test(const std::string& sentence) {
  uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const char c : sentence) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return (hash >> 32) % 8 == 0;
}

}  // namespace

std::vector<std::string> make_sentences(int64_t count, bool test, int64_t seed) {
  constexpr int64_t kMostAttempts = 100'000;
  std::set<std::string> seen;
  std::vector<std::string> sentences;
  for (int64_t i = 0; i < count; ++i) {
    CounterRandom random(static_cast<uint64_t>(seed), RandomStream::Synthetic,
                         static_cast<uint64_t>(i), test ? 1 : 0);
    std::string sentence;
    int64_t attempts = 0;
    do {
      sentence = draw_sentence(random);
      if (++attempts > kMostAttempts) {
        fail(ErrorKind::Config, "/data/{}: there are not so many sentences as {}",
             test ? "test_size" : "train_size", count);
      }
    } while (is_for_test(sentence) != test || seen.count(sentence) != 0);
    seen.insert(sentence);
    sentences.push_back(std::move(sentence));
  }
  return sentences;
}

std::vector<std::string> sentence_words() {
  const Words& w = words();
  std::set<std::string> all = {"the"};
  for (const auto* list : {&w.nouns, &w.adjectives, &w.transitive, &w.intransitive, &w.prepositions,
                           &w.determiners, &w.pronouns, &w.numbers, &w.owners}) {
    all.insert(list->begin(), list->end());
  }
  for (const std::string& noun : w.nouns) all.insert(plural(noun));
  for (const std::string& time : w.times) {
    for (const std::string& word : split(time, ' ')) all.insert(word);
  }
  return {all.begin(), all.end()};
}

}  // namespace tailor::data
