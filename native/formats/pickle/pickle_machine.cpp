#include "formats/pickle/pickle_machine.h"

#include <algorithm>

#include "core/base/error.h"
#include "formats/little_endian.h"
#include "formats/pickle/numpy_calls.h"
#include "formats/pickle/pickle_calls.h"
#include "formats/pickle/pickle_scalars.h"

namespace reviewkd::pickle {
namespace {

constexpr size_t kDeepestStack = 200'000;
/// Numbers in a list that are kept. Python writes longer lists in pieces of a thousand.
constexpr size_t kShortLog = 200;
constexpr uint8_t kNewestProtocol = 5;

class Machine {
 public:
  Machine(Input& input, Heap& heap) : input_(input), heap_(heap) {}

  Id run() {
    while (true) {
      const auto opcode = static_cast<Opcode>(input_.byte());
      if (opcode == kStop) return pop();
      step(opcode);
    }
  }

 private:
  void step(Opcode opcode) {
    switch (opcode) {
      case kProto:
        if (input_.byte() > kNewestProtocol) fail_corrupt(input_, "a known protocol");
        return;
      case kFrame: input_.take(8); return;
      case kMark: marks_.push_back(stack_.size()); return bound(marks_.size(), kDeepestStack);
      case kPop: pop(); return;
      case kPopMark: pop_to_mark(); return;
      case kDup: {
        const Id top = pop();
        share(top);
        push_id(top);
        return push_id(top);
      }

      case kPut: return memoize(read_memo_key(input_));
      case kBinPut: return memoize(input_.byte());
      case kLongBinPut: return memoize(number<4>());
      case kMemoize: return memoize(memo_.size());
      case kGet: return recall(read_memo_key(input_));
      case kBinGet: return recall(input_.byte());
      case kLongBinGet: return recall(number<4>());

      case kGlobal: {
        const std::string_view module = input_.line();
        return push(resolve(heap_, {module, input_.line()}));
      }
      case kStackGlobal: {
        const std::string_view name = popped(Kind::kText, "a name").text;
        return push(resolve(heap_, {popped(Kind::kText, "a module").text, name}));
      }
      // Numbers that stand for names in a registry of copyreg.
      case kExt1: number<1>(); return push(opaque_value(heap_, {"copyreg", "extension"}));
      case kExt2: number<2>(); return push(opaque_value(heap_, {"copyreg", "extension"}));
      case kExt4: number<4>(); return push(opaque_value(heap_, {"copyreg", "extension"}));
      // Instances of classes in protocols 0 and 1: the arguments lie above a mark, behind kObj's class.
      case kInst: {
        const std::string_view module = input_.line();
        const std::string_view name = input_.line();
        pop_to_mark();
        return push(opaque_value(heap_, {module, name}));
      }
      case kObj: return push_object();
      case kReduce:
      case kNewObj: return reduce();
      case kNewObjEx: popped(Kind::kDict, "a dictionary of arguments"); return reduce();
      case kPersId: input_.line(); return push(opaque_value(heap_, {}));
      case kBinPersId: {
        const Value& id = heap_.at(pop());
        return push(persistent(input_, heap_, id));
      }
      case kBuild: return build();
      default:
        if (auto scalar = read_scalar(input_, opcode)) return push(std::move(*scalar));
        if (push_collection(opcode)) return;
        fail(ErrorCode::kFileUnsupported, "invalid pickle in ", input_.name(), " at byte ", input_.position() - 1,
             ": expected an opcode of weight files, received ", static_cast<int>(opcode),
             ". In Python, torch.save(model.state_dict(), \"weights.pt\") writes a readable file.");
    }
  }

  /// @return whether the opcode is one of a tuple, a list, a set or a dictionary.
  bool push_collection(Opcode opcode) {
    switch (opcode) {
      case kEmptyTuple: push_container(Kind::kTuple, 0); break;
      case kTuple1: push_container(Kind::kTuple, 1); break;
      case kTuple2: push_container(Kind::kTuple, 2); break;
      case kTuple3: push_container(Kind::kTuple, 3); break;
      case kTuple: push_container(Kind::kTuple, above_mark()); break;
      case kEmptyList:
      case kEmptySet: push_container(Kind::kList, 0); break;
      case kFrozenSet:
      case kList: push_container(Kind::kList, above_mark()); break;
      case kEmptyDict: push_container(Kind::kDict, 0); break;
      case kDict: push_container(Kind::kDict, above_mark()); break;
      case kAppend: extend(Kind::kList, 1); break;
      case kAppends:
      case kAddItems: extend(Kind::kList, above_mark()); break;
      case kSetItem: extend(Kind::kDict, 2); break;
      case kSetItems: extend(Kind::kDict, above_mark()); break;
      default: return false;
    }
    return true;
  }

  template <size_t Bytes>
  uint64_t number() {
    return little_endian<Bytes>(input_.take(Bytes).data());
  }

  void bound(size_t count, size_t most) { check_bound(input_, count, most); }

  void push(Value value) {
    heap_.values.push_back(std::move(value));
    bound(heap_.values.size(), kMostValues);
    push_id(static_cast<Id>(heap_.values.size() - 1));
  }

  void push_id(Id id) {
    stack_.push_back(id);
    bound(stack_.size(), kDeepestStack);
  }

  /// The first value above the innermost mark; values below it are out of reach.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Id pop() {
    if (stack_.size() <= floor()) fail_corrupt(input_, "a value on the stack");
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }

  const Value& popped(Kind kind, std::string_view what) {
    const Value& value = heap_.at(pop());
    if (value.kind != kind) fail_corrupt(input_, what);
    return value;
  }

  void pop_to_mark() { stack_.resize(stack_.size() - above_mark()); }

  /// Pops the innermost mark and returns the number of values above it.
  size_t above_mark() {
    if (marks_.empty()) fail_corrupt(input_, "a mark on the stack");
    const size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return count;
  }

  void move_items(size_t count, std::vector<Id>& to) {
    if (stack_.size() - floor() < count) fail_corrupt(input_, "values on the stack");
    heap_.references += count;
    bound(heap_.references, kMostReferences);
    to.insert(to.end(), stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
  }

  /// Numbers that a list takes are counted out again where there are many: logs of a training, which nothing here reads.
  bool drop_numbers(size_t count) {
    if (count < kShortLog || stack_.size() - floor() < count) return false;
    const size_t first = heap_.values.size() - count;
    if (newest_shared_ != kNothing && newest_shared_ >= first) return false;
    for (size_t i = 0; i < count; ++i) {
      const Id id = stack_[stack_.size() - count + i];
      const Kind kind = heap_.at(id).kind;
      if (id != first + i || (kind != Kind::kReal && kind != Kind::kInteger)) return false;
    }
    heap_.values.resize(first);
    stack_.resize(stack_.size() - count);
    return true;
  }

  void push_container(Kind kind, size_t count) {
    Value value;
    value.kind = kind;
    if (kind == Kind::kDict && count % 2 != 0) fail_corrupt(input_, "a value for each key");
    if (kind != Kind::kList || !drop_numbers(count)) move_items(count, value.items);
    push(std::move(value));
  }

  void push_object() {
    const size_t count = above_mark();
    if (count == 0) fail_corrupt(input_, "a class above the mark");
    const Value& made = heap_.at(stack_[stack_.size() - count]);
    stack_.resize(stack_.size() - count);
    push(made.kind == Kind::kOpaque ? opaque_like(made) : opaque_value(heap_, {}));
  }

  /// The result of calling an opaque value: another one of the same name.
  static Value opaque_like(const Value& callable) {
    Value value = callable;
    value.attributes = kNothing;
    return value;
  }

  /// Appends the topmost values to the container below them. An opaque object that takes them is one of an unknown
  /// class of lists or dictionaries.
  void extend(Kind kind, size_t count) {
    if (kind == Kind::kDict && count % 2 != 0) fail_corrupt(input_, "a value for each key");
    if (stack_.size() - floor() < count + 1) fail_corrupt(input_, "a container on the stack");
    Value& container = heap_.values[stack_[stack_.size() - count - 1]];
    if (container.kind == Kind::kOpaque) {
      const Id attributes = container.attributes;
      container = Value();
      container.kind = kind;
      container.attributes = attributes;
    }
    if (container.kind != kind)
      fail_corrupt(input_, kind == Kind::kDict ? "a dictionary to add to" : "a list to add to");
    if (kind != Kind::kList || !drop_numbers(count)) move_items(count, container.items);
  }

  void share(Id id) { newest_shared_ = newest_shared_ == kNothing ? id : std::max(newest_shared_, id); }

  void memoize(uint64_t key) {
    if (stack_.size() <= floor()) fail_corrupt(input_, "a value to store in the memo");
    // Keys are counted up to; a single large key must not allocate memory.
    bound(key, kMostValues);
    if (key >= memo_.size()) memo_.resize(key + 1, pickle::kNothing);
    memo_[key] = stack_.back();
    share(stack_.back());
  }

  void recall(uint64_t key) {
    if (key >= memo_.size() || memo_[key] == pickle::kNothing) fail_corrupt(input_, "a value stored in the memo");
    push_id(memo_[key]);
  }

  void reduce() {
    const Value& arguments = heap_.at(pop());
    const Value& callable = heap_.at(pop());
    if (callable.kind == Kind::kOpaque) return push(opaque_like(callable));
    if (callable.kind != Kind::kCallable) fail_corrupt(input_, "a callable");
    if (arguments.kind != Kind::kTuple) fail_corrupt(input_, "a tuple of arguments");
    push(call(input_, heap_, callable, arguments));
  }

  /// Applies state to the object below it: elements of arrays, and attributes if they are a dictionary.
  void build() {
    const Id state = pop();
    if (stack_.size() <= floor()) fail_corrupt(input_, "an object below its state");
    Value& object = heap_.values[stack_.back()];
    if (object.kind == Kind::kDtype) return set_dtype_state(input_, heap_, object, heap_.at(state));
    if (object.kind == Kind::kUnreadable && object.integer == kAwaitsState) {
      return set_array_state(input_, heap_, object, heap_.at(state));
    }
    if ((object.kind == Kind::kDict || object.kind == Kind::kOpaque) && heap_.at(state).kind == Kind::kDict) {
      object.attributes = state;
    }
  }

  Input& input_;
  Heap& heap_;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;
  std::vector<Id> memo_;
  /// The newest value that may be referred to from more than one place; kNothing without one.
  Id newest_shared_ = kNothing;
};

}  // namespace

Id read(Input& input, Heap& heap) { return Machine(input, heap).run(); }

}  // namespace reviewkd::pickle
