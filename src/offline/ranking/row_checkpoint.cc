#include "offline/ranking/row_checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

namespace fs = std::filesystem;
using Kind = TrainingSchema::SequenceColumn::Kind;

constexpr std::string_view kEnding = ".rows";
constexpr std::string_view kUnfinished = "unfinished";

std::string NameOf(const RowCheckpoint::Part& part) {
  return StrCat(part.begin, "-", part.end, "-", part.relevant, "-", part.retrieved, kEnding);
}

std::optional<RowCheckpoint::Part> ParseName(const std::string& name) {
  RowCheckpoint::Part part;
  const char* next = name.data();
  const char* const end = name.data() + name.size();
  for (std::uint64_t* number : {&part.begin, &part.end, &part.relevant, &part.retrieved}) {
    if (number != &part.begin && (next == end || *next++ != '-')) return std::nullopt;
    const auto [rest, error] = std::from_chars(next, end, *number);
    if (error != std::errc()) return std::nullopt;
    next = rest;
  }
  if (part.begin >= part.end || NameOf(part) != name) return std::nullopt;
  return part;
}

// Whether all of the file can be read, and what it holds.
bool IsWhole(const std::string& path) {
  const auto reader = TrainingRowsReader::Open(path);
  if (!reader.ok()) return false;
  TrainingBlock block;
  for (;;) {
    const absl::StatusOr<bool> next = (*reader)->Next(&block);
    if (!next.ok() || !*next) return next.ok();
  }
}

template <typename T>
std::span<const T> Slice(const std::vector<T>& values, std::size_t begin, std::size_t end) {
  return std::span<const T>(values).subspan(begin, end - begin);
}

// Adds requests of a file to a writer of the same schema.
class Copying {
 public:
  Copying(const TrainingRowsReader& reader, TrainingRowsWriter* writer)
      : reader_(reader), writer_(*writer) {}

  absl::Status Add(const TrainingBlock& block, std::size_t request) {
    const TrainingSchema& schema = writer_.schema();
    const std::size_t begin = block.row_begin(request);
    const std::size_t end = block.row_end[request];
    // Ids get their numbers in the order in which the first writing asked for them.
    items_.clear();
    for (const std::uint32_t item : Slice(block.item, begin, end)) {
      items_.push_back(Number(kItemDictionary, item));
    }
    sequences_.assign(schema.sequences.size(), {});
    for (std::size_t s = 0; s < schema.sequences.size(); ++s) {
      CopySequence(schema.sequences[s], block.sequences[s], request, &sequences_[s]);
    }
    TrainingRequest copy;
    copy.event_time_ms = block.event_time_ms[request];
    copy.position = block.position[request];
    copy.user = Number(kUserDictionary, block.user[request]);
    const std::size_t features = schema.request_features.size();
    copy.features = Slice(block.request_features, request * features, (request + 1) * features);
    copy.items = items_;
    const std::size_t width = schema.candidate_features.size();
    copy.candidate_features = Slice(block.candidate_features, begin * width, end * width);
    copy.labels = Slice(block.label, begin, end);
    copy.weights = Slice(block.weight, begin, end);
    copy.sequences = sequences_;
    if (!schema.heads.empty()) copy.outcomes = Slice(block.outcome, begin, end);
    return writer_.Add(copy);
  }

 private:
  std::uint32_t Number(std::string_view dictionary, std::uint32_t number) {
    if (number == kNoTrainingId) return number;
    const std::vector<std::string>& names = writer_.schema().dictionaries;
    const auto place =
        static_cast<std::size_t>(std::find(names.begin(), names.end(), dictionary) - names.begin());
    return writer_.NumberOf(place, reader_.ids(place)[number]);
  }

  void CopySequence(const TrainingSchema::Sequence& schema, const TrainingBlock::Sequence& from,
                    std::size_t request, TrainingBlock::Sequence* to) {
    const std::size_t begin = request == 0 ? 0 : from.step_end[request - 1];
    const std::size_t end = from.step_end[request];
    to->step_end = {static_cast<std::uint32_t>(end - begin)};
    to->columns.resize(schema.columns.size());
    for (std::size_t step = begin; step < end; ++step) {
      for (std::size_t c = 0; c < schema.columns.size(); ++c) {
        const TrainingBlock::SequenceColumn& column = from.columns[c];
        switch (schema.columns[c].kind) {
          case Kind::kId:
            to->columns[c].ids.push_back(Number(schema.columns[c].dictionary, column.ids[step]));
            break;
          case Kind::kNumber:
            to->columns[c].numbers.push_back(column.numbers[step]);
            break;
          case Kind::kTime:
            to->columns[c].times_ms.push_back(column.times_ms[step]);
        }
      }
    }
  }

  const TrainingRowsReader& reader_;
  TrainingRowsWriter& writer_;
  std::vector<std::uint32_t> items_;
  std::vector<TrainingBlock::Sequence> sequences_;
};

}  // namespace

std::string RowCheckpoint::Directory() const {
  return StrCat(options_.directory, "/", DigestToHex(DigestOf(options_.fingerprint)));
}

std::string RowCheckpoint::PathOf(const Part& part) const {
  return StrCat(Directory(), "/", NameOf(part));
}

void RowCheckpoint::Remove(const std::string& directory) {
  std::error_code ignored;
  if (!directory.empty()) fs::remove_all(directory, ignored);
}

std::vector<RowCheckpoint::Part> RowCheckpoint::Find() const {
  std::vector<Part> parts;
  if (options_.directory.empty()) return parts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.directory, error)) {
    if (entry.path().string() != Directory()) Remove(entry.path().string());
  }
  for (const auto& entry : fs::directory_iterator(Directory(), error)) {
    const std::optional<Part> part = ParseName(entry.path().filename().string());
    if (part.has_value()) parts.push_back(*part);
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.begin < b.begin; });
  std::uint64_t next = 0;
  std::size_t whole = 0;
  while (whole < parts.size() && parts[whole].begin == next && IsWhole(PathOf(parts[whole]))) {
    next = parts[whole++].end;
  }
  for (std::size_t i = whole; i < parts.size(); ++i) Remove(PathOf(parts[i]));
  parts.resize(whole);
  return parts;
}

absl::Status RowCheckpoint::Copy(const Part& part, TrainingRowsWriter* writer) const {
  FOURFOLD_ASSIGN_OR_RETURN(const auto reader, TrainingRowsReader::Open(PathOf(part)));
  if (!(reader->schema() == writer->schema())) {
    return FailedPrecondition(PathOf(part), ": rows of another shape");
  }
  Copying copying(*reader, writer);
  TrainingBlock block;
  for (;;) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_block, reader->Next(&block));
    if (!has_block) return absl::OkStatus();
    for (std::size_t request = 0; request < block.requests(); ++request) {
      FOURFOLD_RETURN_IF_ERROR(copying.Add(block, request));
    }
  }
}

absl::StatusOr<std::unique_ptr<TrainingRowsWriter>> RowCheckpoint::Start(
    std::uint64_t begin, const TrainingSchema& schema) const {
  if (options_.directory.empty()) return std::unique_ptr<TrainingRowsWriter>();
  std::error_code error;
  fs::create_directories(Directory(), error);
  if (error) return FailedPrecondition(Directory(), ": cannot be made: ", error.message());
  return TrainingRowsWriter::Create(StrCat(Directory(), "/", kUnfinished, begin), schema);
}

absl::Status RowCheckpoint::Finish(const Part& part, TrainingRowsWriter* writer) const {
  FOURFOLD_RETURN_IF_ERROR(writer->Finish().status());
  std::error_code error;
  fs::rename(StrCat(Directory(), "/", kUnfinished, part.begin), PathOf(part), error);
  if (error) return FailedPrecondition(PathOf(part), ": cannot be made: ", error.message());
  return absl::OkStatus();
}

}  // namespace fourfold
