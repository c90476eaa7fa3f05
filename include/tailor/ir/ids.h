// Numbers of nodes and values of a graph as types of their own, and lists that are indexed by them,
// so that one is never taken for the other or for a size.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tailor::ir {

template <class Tag>
class Id {
 public:
  constexpr Id() = default;  // of nothing
  constexpr explicit Id(size_t index) : number_(static_cast<int>(index)) {}
  constexpr explicit Id(int number) : number_(number) {}

  constexpr bool valid() const { return number_ >= 0; }
  /// Only of valid ones.
  constexpr size_t index() const { return static_cast<size_t>(number_); }
  /// As files have it; -1 of nothing.
  constexpr int number() const { return number_; }

  friend constexpr bool operator==(Id a, Id b) { return a.number_ == b.number_; }
  friend constexpr bool operator!=(Id a, Id b) { return a.number_ != b.number_; }
  friend constexpr bool operator<(Id a, Id b) { return a.number_ < b.number_; }

 private:
  int number_ = -1;
};
using ValueId = Id<struct ValueTag>;
using NodeId = Id<struct NodeTag>;

/// One element for each value, or node, of a graph.
template <class Key, class T>
class IndexedBy : public std::vector<T> {
 public:
  using std::vector<T>::vector;
  decltype(auto) operator[](Key id) { return std::vector<T>::operator[](id.index()); }
  decltype(auto) operator[](Key id) const { return std::vector<T>::operator[](id.index()); }
};
template <class T>
using ByValue = IndexedBy<ValueId, T>;
template <class T>
using ByNode = IndexedBy<NodeId, T>;

/// for (ValueId id : first_ids<ValueId>(count))
template <class Key>
class FirstIds {
 public:
  class Iterator {
   public:
    explicit Iterator(size_t at) : at_(at) {}
    Key operator*() const { return Key(at_); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    size_t at_;
  };
  explicit FirstIds(size_t count) : count_(count) {}
  Iterator begin() const { return Iterator(0); }
  Iterator end() const { return Iterator(count_); }

 private:
  size_t count_;
};

/// What a node reads: a value, and the skip's id where the value comes in as one.
struct Operand {
  ValueId value;
  std::string skip;
  Operand(ValueId v, std::string id = {}) : value(v), skip(std::move(id)) {}  // NOLINT: {x, skip}
  operator ValueId() const { return value; }                                  // NOLINT
};

}  // namespace tailor::ir
