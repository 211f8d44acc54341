#include "offline/ranking/training_rows.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "offline/ranking/training_rows_codec.h"

namespace fourfold {
namespace {

using Kind = TrainingSchema::SequenceColumn::Kind;

constexpr std::string_view kBeginning = "fourfold training rows 2\n";
constexpr std::string_view kFormat = "fourfold training rows ";
constexpr std::string_view kEnd = "rows end";
constexpr char kBlockType = 'b';
constexpr char kFooterType = 'e';
constexpr std::size_t kSectionHeadBytes = 9;
constexpr std::size_t kDigestBytes = std::tuple_size_v<Digest>;
constexpr std::size_t kTrailerBytes = 16;

std::string_view BytesOf(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::size_t StepBytes(const TrainingSchema::Sequence& sequence) {
  std::size_t bytes = 0;
  for (const TrainingSchema::SequenceColumn& column : sequence.columns) {
    bytes += column.kind == Kind::kTime ? sizeof(std::int64_t) : sizeof(float);
  }
  return bytes;
}

std::size_t RequestBytes(const TrainingSchema& schema) {
  return sizeof(std::int64_t) + sizeof(std::uint64_t) + sizeof(std::uint32_t) +
         schema.request_features.size() * sizeof(float);
}
std::size_t RowBytes(const TrainingSchema& schema) {
  return (schema.heads.empty() ? 1 : 2) * sizeof(std::uint32_t) +
         (2 + schema.candidate_features.size()) * sizeof(float);
}

std::size_t StepsOf(const TrainingBlock::Sequence& sequence) {
  return sequence.step_end.empty() ? 0 : sequence.step_end.back();
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

template <typename T>
void Append(std::span<const T> from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

absl::Status ErrnoStatus(std::string_view what, const std::string& path) {
  const std::string message = StrCat(what, " ", path, ": ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(message) : absl::FailedPreconditionError(message);
}

}  // namespace

TrainingBlock MakeTrainingBlock(const TrainingSchema& schema) {
  TrainingBlock block;
  for (const TrainingSchema::Sequence& sequence : schema.sequences) {
    block.sequences.emplace_back().columns.resize(sequence.columns.size());
  }
  return block;
}

absl::StatusOr<std::unique_ptr<TrainingRowsWriter>> TrainingRowsWriter::Create(
    const std::string& path, TrainingSchema schema, std::size_t block_bytes) {
  FOURFOLD_RETURN_IF_ERROR(CheckTrainingSchema(schema));
  if (path.ends_with(".gz") || path.ends_with(".zst")) {
    return InvalidArgument(path, ": training rows are not packed; choose another name");
  }
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<ByteSink> file, ByteSink::Create(path));
  FOURFOLD_RETURN_IF_ERROR(file->Write(kBeginning));
  auto* const writer = new TrainingRowsWriter(std::move(file), std::move(schema), block_bytes);
  return std::unique_ptr<TrainingRowsWriter>(writer);
}

TrainingRowsWriter::TrainingRowsWriter(std::unique_ptr<ByteSink> file, TrainingSchema schema,
                                       std::size_t block_bytes)
    : file_(std::move(file)),
      schema_(std::move(schema)),
      block_bytes_(block_bytes),
      dictionaries_(schema_.dictionaries.size()),
      item_dictionary_(DictionaryOf(kItemDictionary)),
      user_dictionary_(DictionaryOf(kUserDictionary)),
      steps_max_(schema_.sequences.size()),
      block_(MakeTrainingBlock(schema_)) {
  for (const TrainingSchema::Sequence& sequence : schema_.sequences) {
    std::vector<std::size_t>& places = column_dictionaries_.emplace_back();
    for (const TrainingSchema::SequenceColumn& column : sequence.columns) {
      places.push_back(DictionaryPlace(schema_, column.dictionary));
    }
  }
  counts_.bytes = kBeginning.size();
}

std::size_t TrainingRowsWriter::DictionaryOf(std::string_view name) const {
  const std::size_t place = DictionaryPlace(schema_, name);
  FOURFOLD_CHECK(place < schema_.dictionaries.size());
  return place;
}

std::uint32_t TrainingRowsWriter::NumberOf(std::size_t dictionary, std::string_view id) {
  Dictionary& known = dictionaries_[dictionary];
  const auto found = known.numbers.find(ToAbsl(id));
  if (found != known.numbers.end()) return found->second;
  FOURFOLD_CHECK(known.ids.size() < kNoTrainingId);
  const auto number = static_cast<std::uint32_t>(known.ids.size());
  known.numbers.emplace(ToAbsl(known.ids.emplace_back(id)), number);
  counts_.flat_bytes += id.size();
  counts_.padded_flat_bytes += id.size();
  return number;
}

bool TrainingRowsWriter::HasId(std::size_t dictionary, std::uint32_t id) const {
  return id < dictionaries_[dictionary].ids.size();
}

absl::Status TrainingRowsWriter::CheckRequest(const TrainingRequest& request) const {
  const std::size_t rows = request.items.size();
  if (rows == 0 || rows > kTrainingRowsMax) {
    return InvalidArgument("a request of ", rows, " rows; it needs 1 to ", kTrainingRowsMax);
  }
  if (request.features.size() != schema_.request_features.size() ||
      request.candidate_features.size() != rows * schema_.candidate_features.size() ||
      request.labels.size() != rows ||
      (!request.weights.empty() && request.weights.size() != rows) ||
      request.outcomes.size() != (schema_.heads.empty() ? 0 : rows) ||
      request.sequences.size() != schema_.sequences.size()) {
    return InvalidArgument("a request that is not shaped as the schema says");
  }
  if (request.user != kNoTrainingId && !HasId(user_dictionary_, request.user)) {
    return InvalidArgument("a request of an unknown user");
  }
  for (const std::uint32_t item : request.items) {
    if (!HasId(item_dictionary_, item)) return InvalidArgument("a row of an unknown item");
  }
  if (!AllFinite(request.labels)) return InvalidArgument("a label that is not finite");
  if (!AllFinite(request.weights) || std::any_of(request.weights.begin(), request.weights.end(),
                                                 [](float weight) { return weight < 0; })) {
    return InvalidArgument("a weight that is negative or not finite");
  }
  if (!AreOutcomes(request.outcomes, schema_.heads.size())) {
    return InvalidArgument("an outcome of a head that the schema does not have");
  }
  return CheckSequences(request);
}

absl::Status TrainingRowsWriter::CheckSequences(const TrainingRequest& request) const {
  for (std::size_t s = 0; s < request.sequences.size(); ++s) {
    const TrainingBlock::Sequence& sequence = request.sequences[s];
    const TrainingSchema::Sequence& schema = schema_.sequences[s];
    const std::size_t steps = StepsOf(sequence);
    if (sequence.step_end.size() != 1 || sequence.columns.size() != schema.columns.size() ||
        steps > kTrainingStepsMax) {
      return InvalidArgument("sequence ", schema.name, ": is not one of the schema, or too long");
    }
    for (std::size_t c = 0; c < schema.columns.size(); ++c) {
      const TrainingBlock::SequenceColumn& column = sequence.columns[c];
      const Kind kind = schema.columns[c].kind;
      if (column.ids.size() != (kind == Kind::kId ? steps : 0) ||
          column.numbers.size() != (kind == Kind::kNumber ? steps : 0) ||
          column.times_ms.size() != (kind == Kind::kTime ? steps : 0)) {
        return InvalidArgument("sequence ", schema.name, ": column ", schema.columns[c].name,
                               " is not as long as the sequence, or of another kind");
      }
      for (const std::uint32_t id : column.ids) {
        if (id != kNoTrainingId && !HasId(column_dictionaries_[s][c], id)) {
          return InvalidArgument("sequence ", schema.name, ": column ", schema.columns[c].name,
                                 ": an unknown id");
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status TrainingRowsWriter::Add(const TrainingRequest& request) {
  FOURFOLD_RETURN_IF_ERROR(CheckRequest(request));
  const std::size_t rows = request.items.size();
  block_.event_time_ms.push_back(request.event_time_ms);
  block_.position.push_back(request.position);
  block_.user.push_back(request.user);
  Append(request.features, &block_.request_features);
  Append(request.items, &block_.item);
  Append(request.candidate_features, &block_.candidate_features);
  Append(request.labels, &block_.label);
  Append(request.weights, &block_.weight);
  block_.weight.resize(block_.rows(), 1.0F);
  Append(request.outcomes, &block_.outcome);
  block_.row_end.push_back(static_cast<std::uint32_t>(block_.rows()));
  bytes_in_block_ += RequestBytes(schema_) + rows * RowBytes(schema_);
  for (std::size_t s = 0; s < request.sequences.size(); ++s) {
    const TrainingBlock::Sequence& from = request.sequences[s];
    TrainingBlock::Sequence& to = block_.sequences[s];
    const std::size_t steps = StepsOf(from);
    for (std::size_t c = 0; c < from.columns.size(); ++c) {
      Append(std::span(from.columns[c].ids), &to.columns[c].ids);
      Append(std::span(from.columns[c].numbers), &to.columns[c].numbers);
      Append(std::span(from.columns[c].times_ms), &to.columns[c].times_ms);
    }
    to.step_end.push_back(static_cast<std::uint32_t>(StepsOf(to) + steps));
    bytes_in_block_ += steps * StepBytes(schema_.sequences[s]);
  }
  Count(request);
  return bytes_in_block_ < block_bytes_ ? absl::OkStatus() : WriteBlock();
}

void TrainingRowsWriter::Count(const TrainingRequest& request) {
  const std::uint64_t rows = request.items.size();
  ++counts_.requests;
  counts_.rows += rows;
  std::uint64_t flat_row = RequestBytes(schema_) + RowBytes(schema_);
  counts_.padded_flat_bytes += rows * flat_row;
  for (std::size_t s = 0; s < request.sequences.size(); ++s) {
    const std::uint64_t steps = StepsOf(request.sequences[s]);
    steps_max_[s] = std::max(steps_max_[s], steps);
    flat_row += sizeof(std::uint32_t) + steps * StepBytes(schema_.sequences[s]);
  }
  counts_.flat_bytes += rows * flat_row;
}

absl::Status TrainingRowsWriter::WriteSection(char type, std::string_view payload) {
  std::string head(1, type);
  AppendBigEndian64(&head, payload.size());
  FOURFOLD_RETURN_IF_ERROR(file_->Write(head));
  FOURFOLD_RETURN_IF_ERROR(file_->Write(payload));
  const Digest digest = DigestOf(payload);
  if (type == kBlockType) blocks_.Add(BytesOf(digest));
  counts_.bytes += kSectionHeadBytes + payload.size() + kDigestBytes;
  return file_->Write(BytesOf(digest));
}

absl::Status TrainingRowsWriter::WriteBlock() {
  payload_.clear();
  EncodeTrainingBlock(block_, &payload_);
  block_ = MakeTrainingBlock(schema_);
  bytes_in_block_ = 0;
  return WriteSection(kBlockType, payload_);
}

absl::StatusOr<TrainingRowCounts> TrainingRowsWriter::Finish() {
  if (block_.requests() > 0) FOURFOLD_RETURN_IF_ERROR(WriteBlock());
  for (std::size_t s = 0; s < schema_.sequences.size(); ++s) {
    counts_.padded_flat_bytes += counts_.rows * steps_max_[s] * StepBytes(schema_.sequences[s]);
  }
  TrainingFooter footer;
  footer.schema = schema_;
  footer.counts = counts_;
  footer.blocks = blocks_.Finish();
  for (const Dictionary& dictionary : dictionaries_) {
    footer.dictionaries.emplace_back(dictionary.ids.begin(), dictionary.ids.end());
  }
  payload_.clear();
  EncodeTrainingFooter(footer, &payload_);
  std::string trailer;
  AppendBigEndian64(&trailer, counts_.bytes);
  FOURFOLD_RETURN_IF_ERROR(WriteSection(kFooterType, payload_));
  trailer.append(kEnd);
  FOURFOLD_RETURN_IF_ERROR(file_->Write(trailer));
  FOURFOLD_RETURN_IF_ERROR(file_->Finish());
  counts_.bytes += trailer.size();
  return counts_;
}

TrainingRowsReader::TrainingRowsReader(std::string path, std::FILE* file)
    : path_(std::move(path)), file_(file) {}

TrainingRowsReader::~TrainingRowsReader() { std::fclose(file_); }

absl::StatusOr<std::unique_ptr<TrainingRowsReader>> TrainingRowsReader::Open(std::string path) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return ErrnoStatus("cannot open", path);
  std::unique_ptr<TrainingRowsReader> reader(new TrainingRowsReader(std::move(path), file));
  const absl::Status status = reader->ReadEnds();
  if (!status.ok()) return Annotate(status, reader->path_);
  return reader;
}

absl::Status TrainingRowsReader::ReadEnds() {
  std::string beginning;
  FOURFOLD_RETURN_IF_ERROR(ReadBytes(kBeginning.size(), &beginning));
  if (beginning != kBeginning) {
    if (!beginning.starts_with(kFormat)) return FailedPrecondition("is no file of training rows");
    return FailedPrecondition("is of another version of the format; known is 2");
  }
  if (fseeko(file_, 0, SEEK_END) != 0) return ErrnoStatus("cannot seek in", path_);
  const auto size = static_cast<std::uint64_t>(ftello(file_));
  if (size < kBeginning.size() + kTrailerBytes) return DataLoss("is cut off");
  std::string trailer;
  FOURFOLD_RETURN_IF_ERROR(Seek(size - kTrailerBytes));
  FOURFOLD_RETURN_IF_ERROR(ReadBytes(kTrailerBytes, &trailer));
  footer_begin_ = ReadBigEndian64(trailer.data());
  if (!trailer.ends_with(kEnd) || footer_begin_ < kBeginning.size() ||
      footer_begin_ > size - kTrailerBytes) {
    return DataLoss("is cut off");
  }
  FOURFOLD_RETURN_IF_ERROR(Seek(footer_begin_));
  Digest digest;
  FOURFOLD_RETURN_IF_ERROR(ReadSection(kFooterType, size - kTrailerBytes, &payload_, &digest));
  if (place_ != size - kTrailerBytes) return DataLoss("bytes follow the footer");
  FOURFOLD_ASSIGN_OR_RETURN(TrainingFooter footer, DecodeTrainingFooter(payload_));
  schema_ = std::move(footer.schema);
  counts_ = footer.counts;
  counts_.bytes = size;
  expected_blocks_ = footer.blocks;
  for (const std::vector<std::string_view>& ids : footer.dictionaries) {
    dictionaries_.emplace_back(ids.begin(), ids.end());
    dictionary_sizes_.push_back(ids.size());
  }
  return Rewind();
}

absl::Status TrainingRowsReader::Rewind() {
  blocks_ = std::make_unique<DigestBuilder>();
  return Seek(kBeginning.size());
}

absl::Status TrainingRowsReader::Seek(std::uint64_t place) {
  place_ = place;
  if (fseeko(file_, static_cast<off_t>(place), SEEK_SET) == 0) return absl::OkStatus();
  return ErrnoStatus("cannot seek in", path_);
}

absl::Status TrainingRowsReader::ReadBytes(std::size_t bytes, std::string* into) {
  into->resize(bytes);
  if (std::fread(into->data(), 1, bytes, file_) != bytes) {
    if (std::ferror(file_) != 0) return ErrnoStatus("cannot read", path_);
    return DataLoss("is cut off");
  }
  place_ += bytes;
  return absl::OkStatus();
}

// Of a section that ends at `end` or before.
absl::Status TrainingRowsReader::ReadSection(char type, std::uint64_t end, std::string* payload,
                                             Digest* digest) {
  std::string head;
  if (end - place_ < kSectionHeadBytes + kDigestBytes) return DataLoss("is cut off");
  const std::uint64_t payload_max = end - place_ - kSectionHeadBytes - kDigestBytes;
  FOURFOLD_RETURN_IF_ERROR(ReadBytes(kSectionHeadBytes, &head));
  const std::uint64_t size = ReadBigEndian64(head.data() + 1);
  if (head[0] != type || size > payload_max) {
    return DataLoss("a section at byte ", place_ - kSectionHeadBytes, " is damaged");
  }
  FOURFOLD_RETURN_IF_ERROR(ReadBytes(size, payload));
  std::string expected;
  FOURFOLD_RETURN_IF_ERROR(ReadBytes(kDigestBytes, &expected));
  *digest = DigestOf(*payload);
  if (BytesOf(*digest) != expected) {
    return DataLoss("the section before byte ", place_, " does not have its digest");
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TrainingRowsReader::Next(TrainingBlock* block) {
  if (place_ == footer_begin_) {
    if (blocks_ != nullptr && blocks_->Finish() != expected_blocks_) {
      return DataLoss(path_, ": blocks are missing or out of order");
    }
    blocks_.reset();
    return false;
  }
  Digest digest;
  absl::Status status = ReadSection(kBlockType, footer_begin_, &payload_, &digest);
  if (status.ok()) {
    blocks_->Add(BytesOf(digest));
    status = DecodeTrainingBlock(payload_, schema_, dictionary_sizes_, block);
  }
  if (!status.ok()) return Annotate(status, path_);
  return true;
}

}  // namespace fourfold
