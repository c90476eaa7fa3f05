// Short sentences of a small vocabulary, made up by rule: what a network of a few minutes' training
// can learn to spell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tailor::data {

/// `count` different sentences of a-z, ' and blanks, 3 to 8 words each, the first ones the same
/// whatever `count` is; those to train on and those to test on have none in common. Throws Config
/// where there are not so many.
std::vector<std::string> make_sentences(int64_t count, bool test, int64_t seed);
/// Every word that they are made of, sorted.
std::vector<std::string> sentence_words();

}  // namespace tailor::data
