#include "online/ranking/served_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/coding.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_codec.h"
#include "servable/files.h"

namespace fourfold {
namespace {

constexpr std::string_view kMagic("FFSERV\0\1", 8);
constexpr std::size_t kFrameBytes = 16;  // length and hash before each record

std::string NewerPath(const std::string& directory) { return directory + "/served.log"; }
std::string OlderPath(const std::string& directory) { return directory + "/served.1.log"; }

void AppendFloats(std::string* out, std::span<const float> values) {
  AppendVarint(out, values.size());
  for (const float value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(bits >> shift));
  }
}

// Counts are bounded by the bytes that are left, each element having at least one.
std::size_t Count(Decoder* decoder) {
  const std::uint64_t count = decoder->Varint();
  return count <= decoder->rest().size() ? static_cast<std::size_t>(count) : 0;
}

std::vector<float> Floats(Decoder* decoder) {
  const std::string_view bytes = decoder->Raw(4 * Count(decoder));
  std::vector<float> values;
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t bits = 0;
    for (std::size_t b = 0; b < 4; ++b) bits = bits << 8 | static_cast<unsigned char>(bytes[i + b]);
    values.push_back(std::bit_cast<float>(bits));
  }
  return values;
}

void AppendSequence(std::string* out, const FeatureSequence& sequence) {
  AppendVarint(out, sequence.items.size());
  for (std::size_t i = 0; i < sequence.items.size(); ++i) {
    AppendBytes(out, sequence.items[i]);
    AppendBytes(out, sequence.types[i]);
    AppendVarint(out, ZigZag(sequence.event_times_ms[i]));
  }
  AppendVarint(out, sequence.fields.size());
  for (const std::vector<float>& field : sequence.fields) {
    AppendFloats(out, std::span<const float>(field));
  }
}

FeatureSequence Sequence(Decoder* decoder) {
  FeatureSequence sequence;
  for (std::size_t left = Count(decoder); left > 0 && decoder->ok(); --left) {
    sequence.items.emplace_back(decoder->Bytes());
    sequence.types.emplace_back(decoder->Bytes());
    sequence.event_times_ms.push_back(decoder->SignedVarint());
  }
  for (std::size_t left = Count(decoder); left > 0 && decoder->ok(); --left) {
    sequence.fields.push_back(Floats(decoder));
  }
  return sequence;
}

// The request, in the shape of the slate that it asked for.
Event EventOf(std::string_view servable, const FeatureRequest& request) {
  Event event;
  event.kind = EventKind::kRanking;
  event.event_time_ms = request.now_ms;
  event.user = request.user;
  event.session = request.session;
  event.surface = request.surface;
  event.fields = request.fields;
  event.served_from.as_of_ms = request.at.as_of_ms;
  event.served_from.known_at_ms = request.at.known_at_ms;
  event.served_from.position_end = request.at.position_end;
  event.served_from.servable = servable;
  for (const FeatureCandidate& candidate : request.candidates) {
    event.items.push_back({candidate.item, candidate.fields});
  }
  return event;
}

FeatureRequest RequestOf(Event event) {
  FeatureRequest request;
  request.now_ms = event.event_time_ms;
  request.user = std::move(event.user);
  request.session = std::move(event.session);
  request.surface = std::move(event.surface);
  request.fields = std::move(event.fields);
  request.at.as_of_ms = event.served_from.as_of_ms;
  request.at.known_at_ms = event.served_from.known_at_ms;
  request.at.position_end = event.served_from.position_end;
  for (RankedItem& item : event.items) {
    request.candidates.push_back({std::move(item.item), std::move(item.fields), 0});
  }
  return request;
}

std::string Encode(std::string_view servable, const FeatureRequest& request,
                   const FeatureTable& table, std::span<const float> predictions) {
  std::string event;
  EncodeEvent(EventOf(servable, request), &event);
  std::string record;
  AppendBytes(&record, event);
  AppendVarint(&record, table.columns.size());
  for (const std::vector<float>& column : table.columns) {
    AppendFloats(&record, std::span<const float>(column));
  }
  AppendVarint(&record, table.sequences.size());
  for (const FeatureSequence& sequence : table.sequences) AppendSequence(&record, sequence);
  AppendFloats(&record, predictions);
  return record;
}

absl::StatusOr<ServedScores> Decode(std::string_view record) {
  Decoder decoder(record);
  FOURFOLD_ASSIGN_OR_RETURN(Event event, DecodeEvent(decoder.Bytes()));
  ServedScores served;
  served.servable = event.served_from.servable;
  served.request = RequestOf(std::move(event));
  for (std::size_t left = Count(&decoder); left > 0 && decoder.ok(); --left) {
    served.table.columns.push_back(Floats(&decoder));
  }
  for (std::size_t left = Count(&decoder); left > 0 && decoder.ok(); --left) {
    served.table.sequences.push_back(Sequence(&decoder));
  }
  served.predictions = Floats(&decoder);
  if (!decoder.ok() || !decoder.AtEnd()) return DataLoss("the record is malformed");
  return served;
}

// The next whole record of a file, without its frame; empty at the end. *rest loses what was read.
absl::StatusOr<std::string_view> NextRecord(std::string_view* rest) {
  if (rest->size() < kFrameBytes) return std::string_view();
  const std::uint64_t size = ReadBigEndian64(rest->data());
  const std::uint64_t hash = ReadBigEndian64(rest->data() + 8);
  if (size > rest->size() - kFrameBytes) return std::string_view();
  const std::string_view record = rest->substr(kFrameBytes, static_cast<std::size_t>(size));
  if (StableHash(record) != hash) return DataLoss("a record does not have its checksum");
  rest->remove_prefix(kFrameBytes + record.size());
  return record;
}

absl::Status ReadServedFile(const std::string& path,
                            absl::FunctionRef<absl::Status(const ServedScores&)> visit) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  FOURFOLD_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  if (bytes.size() < kMagic.size()) return absl::OkStatus();
  std::string_view rest = bytes;
  if (rest.substr(0, kMagic.size()) != kMagic) {
    return DataLoss(path, ": is no log of served features that this build reads");
  }
  rest.remove_prefix(kMagic.size());
  for (;;) {
    const std::size_t place = bytes.size() - rest.size();
    const auto named = [&](const absl::Status& status) {
      return DataLoss(path, ": byte ", place, ": ", MessageOf(status));
    };
    const absl::StatusOr<std::string_view> record = NextRecord(&rest);
    if (!record.ok()) return named(record.status());
    if (record->empty()) return absl::OkStatus();
    const absl::StatusOr<ServedScores> served = Decode(*record);
    if (!served.ok()) return named(served.status());
    FOURFOLD_RETURN_IF_ERROR(visit(*served));
  }
}

// Where the whole records of a file end; 0: it is not one that can be appended to.
std::size_t EndOfRecords(const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok() || std::string_view(*bytes).substr(0, kMagic.size()) != kMagic) return 0;
  std::string_view rest = std::string_view(*bytes).substr(kMagic.size());
  for (;;) {
    const absl::StatusOr<std::string_view> record = NextRecord(&rest);
    if (!record.ok() || record->empty()) return bytes->size() - rest.size();
  }
}

}  // namespace

ServedLog::~ServedLog() {
  const MutexLock lock(&mutex_);
  CloseFile();
}

void ServedLog::CloseFile() {
  if (file_ >= 0) close(file_);
  file_ = -1;
}

bool ServedLog::OpenFile() {
  if (file_ >= 0) return true;
  const std::string path = NewerPath(directory_);
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  bytes_ = std::filesystem::exists(path, error) ? EndOfRecords(path) : 0;
  file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
  if (file_ < 0) return false;
  if (ftruncate(file_, static_cast<off_t>(bytes_)) != 0) {
    CloseFile();
    return false;
  }
  if (bytes_ == 0) Write(kMagic);
  // Without its beginning (a full disk) a file would be taken for damaged: it is begun anew later.
  if (bytes_ < kMagic.size()) CloseFile();
  return file_ >= 0;
}

void ServedLog::Write(std::string_view record) {
  const ssize_t written = write(file_, record.data(), record.size());
  if (written == static_cast<ssize_t>(record.size())) {
    bytes_ += record.size();
  } else if (ftruncate(file_, static_cast<off_t>(bytes_)) != 0) {
    CloseFile();
  }
}

void ServedLog::Note(std::uint64_t era, std::string_view servable, const FeatureRequest& request,
                     const FeatureTable& table, std::span<const float> predictions) {
  if (share_ <= 0) return;
  {
    const MutexLock lock(&mutex_);
    const auto number = static_cast<double>(requests_++);
    if (number > 0 && std::floor(number * share_) == std::floor((number - 1) * share_)) return;
  }
  const std::string record = Encode(servable, request, table, predictions);
  std::string framed;
  framed.reserve(kFrameBytes + record.size());
  AppendBigEndian64(&framed, record.size());
  AppendBigEndian64(&framed, StableHash(record));
  framed += record;

  const MutexLock lock(&mutex_);
  if (era != era_.load() || !OpenFile()) return;
  if (bytes_ + framed.size() > bytes_max_ / 2 && bytes_ > kMagic.size()) {
    CloseFile();
    std::error_code error;
    std::filesystem::rename(NewerPath(directory_), OlderPath(directory_), error);
    if (error || !OpenFile()) return;
  }
  if (bytes_ + framed.size() <= bytes_max_ / 2) Write(framed);
}

absl::Status ServedLog::Clear() {
  const MutexLock lock(&mutex_);
  era_.fetch_add(1);
  CloseFile();
  for (const std::string& path : {NewerPath(directory_), OlderPath(directory_)}) {
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) return FailedPrecondition(path, ": cannot be removed: ", error.message());
  }
  return absl::OkStatus();
}

absl::Status ServedLog::Read(const std::string& directory,
                             absl::FunctionRef<absl::Status(const ServedScores&)> visit) {
  FOURFOLD_RETURN_IF_ERROR(ReadServedFile(OlderPath(directory), visit));
  return ReadServedFile(NewerPath(directory), visit);
}

}  // namespace fourfold
