#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "data/byte_sink.h"

// What a ranker is trained on: requests, each with the candidates that were shown or could have
// been. What belongs to the request (features of its user, session and moment, the sequences of
// latest actions) stands once per request, ids stand once in dictionaries, and a row of a candidate
// holds what is its own. docs/formats.md has the file.
namespace fourfold {

// What the columns of a file are called. Names are unique within their list.
struct TrainingSchema {
  std::vector<std::string> request_features;    // numbers, NaN: null
  std::vector<std::string> candidate_features;  // numbers, NaN: null
  // Ids stand in dictionaries by these names. kItemDictionary and kUserDictionary are always there.
  std::vector<std::string> dictionaries;

  struct SequenceColumn {
    std::string name;
    enum class Kind : std::uint8_t { kId = 1, kNumber = 2, kTime = 3 } kind = Kind::kNumber;
    std::string dictionary;  // kId
    friend bool operator==(const SequenceColumn&, const SequenceColumn&) = default;
  };
  // A list of steps per request (the user's latest actions), each with all columns.
  struct Sequence {
    std::string name;
    std::vector<SequenceColumn> columns;
    friend bool operator==(const Sequence&, const Sequence&) = default;
  };
  std::vector<Sequence> sequences;
  // What may have come of a row, each a bit of its outcome; at most kTrainingHeadsMax.
  std::vector<std::string> heads;

  friend bool operator==(const TrainingSchema&, const TrainingSchema&) = default;
};

inline constexpr std::size_t kTrainingHeadsMax = 32;

inline constexpr std::string_view kItemDictionary = "item";
inline constexpr std::string_view kUserDictionary = "user";
// A request's user where there is none, and an id that a sequence step does not have.
inline constexpr std::uint32_t kNoTrainingId = 0xffffffff;

// Requests as columns, in the order in which they were added.
struct TrainingBlock {
  // [requests]
  std::vector<std::int64_t> event_time_ms;
  std::vector<std::uint64_t> position;  // in the log, of the event that the request came from
  std::vector<std::uint32_t> user;      // of the user dictionary, or kNoTrainingId
  std::vector<float> request_features;  // [requests x request features], row-major
  std::vector<std::uint32_t> row_end;   // its rows are [row_end[i - 1] or 0, row_end[i])
  // [rows], those of a request in the order in which they were shown
  std::vector<std::uint32_t> item;        // of the item dictionary
  std::vector<float> candidate_features;  // [rows x candidate features], row-major
  std::vector<float> label;
  std::vector<float> weight;
  std::vector<std::uint32_t> outcome;  // bit h: heads[h] came of it; empty without heads

  struct SequenceColumn {  // one of these is filled, by the column's kind
    std::vector<std::uint32_t> ids;
    std::vector<float> numbers;
    std::vector<std::int64_t> times_ms;
    friend bool operator==(const SequenceColumn&, const SequenceColumn&) = default;
  };
  struct Sequence {
    std::vector<std::uint32_t> step_end;  // [requests], as row_end
    std::vector<SequenceColumn> columns;  // [steps] each
    friend bool operator==(const Sequence&, const Sequence&) = default;
  };
  std::vector<Sequence> sequences;  // as in the schema

  std::size_t requests() const { return event_time_ms.size(); }
  std::size_t rows() const { return item.size(); }
  std::size_t row_begin(std::size_t request) const {
    return request == 0 ? 0 : row_end[request - 1];
  }
  friend bool operator==(const TrainingBlock&, const TrainingBlock&) = default;
};

// An empty block of this shape.
TrainingBlock MakeTrainingBlock(const TrainingSchema& schema);

// One request to be added. All spans are as long as the schema says.
struct TrainingRequest {
  std::int64_t event_time_ms = 0;
  std::uint64_t position = 0;
  std::uint32_t user = kNoTrainingId;
  std::span<const float> features;
  std::span<const std::uint32_t> items;       // [rows], at least 1, at most kTrainingRowsMax
  std::span<const float> candidate_features;  // [rows x candidate features], row-major
  std::span<const float> labels;              // [rows], finite
  std::span<const float> weights;             // [rows], finite, not below 0; empty: 1 each
  std::span<const TrainingBlock::Sequence> sequences;  // of one request: step_end {steps}
  std::span<const std::uint32_t> outcomes;             // [rows]; empty without heads
};

inline constexpr std::size_t kTrainingRowsMax = 10'000;    // of one request
inline constexpr std::size_t kTrainingStepsMax = 100'000;  // of one sequence of one request

struct TrainingRowCounts {
  std::uint64_t requests = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  // of the file
  // The same rows without sharing: every row holds all columns of its request and of itself, in the
  // same types; ids still stand in dictionaries, whose bytes are counted, too.
  std::uint64_t flat_bytes = 0;         // with sequences as long as they are
  std::uint64_t padded_flat_bytes = 0;  // with every sequence as long as the longest of its name
  friend bool operator==(const TrainingRowCounts&, const TrainingRowCounts&) = default;
};

// Writes a file request by request, through a ByteSink: it stands under its name when Finish has
// returned OK. Memory: one block of about block_bytes, twice; and the dictionaries, twice in
// Finish. Not thread-safe.
class TrainingRowsWriter {
 public:
  // InvalidArgument for a schema with a name that is empty or stands twice, and for a name of a
  // file that would be packed; FailedPrecondition where the file cannot be made.
  static absl::StatusOr<std::unique_ptr<TrainingRowsWriter>> Create(
      const std::string& path, TrainingSchema schema, std::size_t block_bytes = kBlockBytes);

  // The number of an id; the same each time. `dictionary` is the place of its name in
  // schema().dictionaries. At most 2^32 - 1 ids each.
  std::uint32_t NumberOf(std::size_t dictionary, std::string_view id);
  // Its place there; checks that it is one.
  std::size_t DictionaryOf(std::string_view name) const;
  // InvalidArgument where a span is not as long as the schema says, a number of an id is none that
  // NumberOf gave, or a label or weight is not finite: nothing of the request is taken. Requests
  // come in any order.
  absl::Status Add(const TrainingRequest& request);
  // Nothing may be called after it.
  absl::StatusOr<TrainingRowCounts> Finish();

  const TrainingSchema& schema() const { return schema_; }
  // Of the file so far, and about those of the block that is not there yet.
  std::uint64_t bytes() const { return counts_.bytes + bytes_in_block_; }

  static constexpr std::size_t kBlockBytes = 4 << 20;

 private:
  struct Dictionary {
    std::deque<std::string> ids;
    absl::flat_hash_map<absl::string_view, std::uint32_t> numbers;  // of ids
  };

  TrainingRowsWriter(std::unique_ptr<ByteSink> file, TrainingSchema schema,
                     std::size_t block_bytes);
  absl::Status CheckRequest(const TrainingRequest& request) const;
  absl::Status CheckSequences(const TrainingRequest& request) const;
  bool HasId(std::size_t dictionary, std::uint32_t id) const;
  void Count(const TrainingRequest& request);
  absl::Status WriteBlock();
  absl::Status WriteSection(char type, std::string_view payload);

  const std::unique_ptr<ByteSink> file_;
  const TrainingSchema schema_;
  const std::size_t block_bytes_;
  std::vector<Dictionary> dictionaries_;
  std::size_t item_dictionary_ = 0;
  std::size_t user_dictionary_ = 0;
  std::vector<std::vector<std::size_t>> column_dictionaries_;  // of each sequence's id columns
  std::vector<std::uint64_t> steps_max_;                       // of each sequence
  TrainingBlock block_;
  std::size_t bytes_in_block_ = 0;
  std::string payload_;
  DigestBuilder blocks_;  // over the digests of all blocks
  TrainingRowCounts counts_;
};

// Reads a file block by block. Memory: one block and the dictionaries. Not thread-safe.
class TrainingRowsReader {
 public:
  // NotFound; FailedPrecondition for another format or version; DataLoss for what is cut off or
  // changed. Checks the beginning, the end and the dictionaries; blocks are checked as they are
  // read.
  static absl::StatusOr<std::unique_ptr<TrainingRowsReader>> Open(std::string path);
  ~TrainingRowsReader();
  TrainingRowsReader(const TrainingRowsReader&) = delete;
  TrainingRowsReader& operator=(const TrainingRowsReader&) = delete;

  // False at the end. Everything in a block is within its bounds: ids are in their dictionaries,
  // ends rise.
  absl::StatusOr<bool> Next(TrainingBlock* block);
  // From the first block again.
  absl::Status Rewind();

  const TrainingSchema& schema() const { return schema_; }
  // Ids by their numbers; `dictionary` is a place in schema().dictionaries.
  const std::vector<std::string>& ids(std::size_t dictionary) const {
    return dictionaries_[dictionary];
  }
  const TrainingRowCounts& counts() const { return counts_; }

 private:
  TrainingRowsReader(std::string path, std::FILE* file);
  absl::Status ReadEnds();
  absl::Status Seek(std::uint64_t place);
  absl::Status ReadBytes(std::size_t bytes, std::string* into);
  absl::Status ReadSection(char type, std::uint64_t end, std::string* payload, Digest* digest);

  const std::string path_;
  std::FILE* const file_;
  TrainingSchema schema_;
  std::vector<std::vector<std::string>> dictionaries_;
  std::vector<std::size_t> dictionary_sizes_;
  TrainingRowCounts counts_;
  Digest expected_blocks_{};  // over the digests of all blocks
  std::uint64_t footer_begin_ = 0;
  std::uint64_t place_ = 0;
  std::string payload_;
  std::unique_ptr<DigestBuilder> blocks_;
};

}  // namespace fourfold
