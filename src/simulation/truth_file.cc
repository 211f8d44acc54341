#include "simulation/truth_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold::simulation {
namespace {

constexpr std::string_view kMagic = "fourfold truth 1\n";
constexpr char kWorldRecord = 'w';
constexpr char kDayRecord = 'd';
constexpr char kItemRecord = 'i';
constexpr char kSessionRecord = 's';
constexpr char kSlateRecord = 'r';
constexpr char kEndRecord = 'e';
constexpr std::size_t kHeadBytes = 5;  // type and size
constexpr std::size_t kRecordBytesMax = 4 << 20;
constexpr std::size_t kReadBytes = 256 << 10;

// Numbers are little-endian.
template <std::unsigned_integral Number>
void Append(Number number, std::string* out) {
  char bytes[sizeof number];
  for (std::size_t i = 0; i < sizeof number; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  out->append(bytes, sizeof number);
}
void AppendSigned(std::int64_t number, std::string* out) {
  Append(static_cast<std::uint64_t>(number), out);
}
void AppendFloat(float number, std::string* out) {
  Append(std::bit_cast<std::uint32_t>(number), out);
}
void AppendByte(int number, std::string* out) { out->push_back(static_cast<char>(number)); }

// Reads a payload; past its end or after a number that cannot be, ok() is false.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral Number>
  Number Read() {
    if (rest_.size() < sizeof(Number)) {
      ok_ = false;
      return 0;
    }
    Number number = 0;
    for (std::size_t i = 0; i < sizeof number; ++i) {
      number = static_cast<Number>(
          number | static_cast<Number>(static_cast<Number>(static_cast<unsigned char>(rest_[i]))
                                       << (8 * i)));
    }
    rest_.remove_prefix(sizeof number);
    return number;
  }
  std::int64_t Signed() { return static_cast<std::int64_t>(Read<std::uint64_t>()); }
  int Byte(int largest) {
    const int value = Read<std::uint8_t>();
    ok_ = ok_ && value <= largest;
    return ok_ ? value : 0;
  }
  float Float() {
    const auto value = std::bit_cast<float>(Read<std::uint32_t>());
    ok_ = ok_ && std::isfinite(value);
    return value;
  }
  float Probability() {
    const float value = Float();
    ok_ = ok_ && value >= 0 && value <= 1;
    return value;
  }
  std::vector<float> Floats(int count) {
    std::vector<float> values;
    for (int i = 0; i < count && ok_; ++i) values.push_back(Float());
    return values;
  }
  std::string_view Rest() { return std::exchange(rest_, {}); }
  bool ok() const { return ok_; }
  bool whole() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

TruthWorld ReadWorld(Fields* fields) {
  TruthWorld world;
  world.seed = fields->Read<std::uint64_t>();
  world.start_ms = fields->Signed();
  world.topics = fields->Byte(kTopicsMax);
  const int places = fields->Byte(kSlateSizeMax);
  for (int i = 0; i < places && fields->ok(); ++i) {
    world.looked_at.push_back(fields->Probability());
  }
  world.recipe = std::string(fields->Rest());
  return world;
}

TruthDay ReadDay(Fields* fields, int topics) {
  TruthDay day;
  day.time_ms = fields->Signed();
  day.trend = fields->Floats(topics);
  return day;
}

TruthItem ReadItem(Fields* fields, int topics) {
  TruthItem truth;
  truth.born_ms = fields->Signed();
  truth.item.number = fields->Read<std::uint32_t>();
  truth.item.main_topic = static_cast<std::uint8_t>(fields->Byte(topics - 1));
  truth.item.second_topic = static_cast<std::uint8_t>(fields->Byte(topics - 1));
  truth.item.main_weight = fields->Float();
  truth.item.second_weight = fields->Float();
  truth.item.quality = fields->Float();
  return truth;
}

TruthSession ReadSession(Fields* fields, int topics) {
  TruthSession session;
  session.time_ms = fields->Signed();
  session.user = fields->Read<std::uint32_t>();
  session.session = fields->Read<std::uint32_t>();
  session.segment = static_cast<Segment>(fields->Byte(kSegments - 1));
  session.long_term = fields->Floats(topics);
  session.short_term = fields->Floats(topics);
  return session;
}

TruthSlate ReadSlate(Fields* fields) {
  TruthSlate slate;
  slate.ranking = fields->Read<std::uint64_t>();
  slate.time_ms = fields->Signed();
  slate.user = fields->Read<std::uint32_t>();
  slate.session = fields->Read<std::uint32_t>();
  slate.segment = static_cast<Segment>(fields->Byte(kSegments - 1));
  slate.impressions.resize(static_cast<std::size_t>(fields->Byte(kSlateSizeMax)));
  for (Impression& impression : slate.impressions) {
    impression.item = fields->Read<std::uint32_t>();
    impression.propensity = fields->Probability();
    for (float& probability : impression.probabilities) probability = fields->Probability();
  }
  return slate;
}

}  // namespace

absl::Status TruthWriter::WriteRecord() {
  const auto size = static_cast<std::uint32_t>(record_.size() - kHeadBytes);
  for (std::size_t i = 0; i < 4; ++i) record_[1 + i] = static_cast<char>(size >> (8 * i));
  ++records_;
  return sink_->Write(record_);
}

absl::Status TruthWriter::Begin(const World& world, std::uint64_t seed, std::string_view recipe) {
  topics_ = world.options().topics;
  record_.assign({kWorldRecord, 0, 0, 0, 0});
  Append(seed, &record_);
  AppendSigned(world.options().start_ms, &record_);
  AppendByte(topics_, &record_);
  AppendByte(world.options().slates.size, &record_);
  for (int place = 0; place < world.options().slates.size; ++place) {
    AppendFloat(static_cast<float>(world.preference().LookedAt(place)), &record_);
  }
  record_.append(recipe);
  FOURFOLD_RETURN_IF_ERROR(sink_->Write(kMagic));
  FOURFOLD_RETURN_IF_ERROR(WriteRecord());
  return AddDay(world.options().start_ms, world.trend());
}

absl::Status TruthWriter::AddDay(std::int64_t time_ms, const TopicVector& trend) {
  record_.assign({kDayRecord, 0, 0, 0, 0});
  AppendSigned(time_ms, &record_);
  for (int t = 0; t < topics_; ++t) AppendFloat(trend[t], &record_);
  return WriteRecord();
}

absl::Status TruthWriter::AddItem(std::int64_t born_ms, const Item& item) {
  record_.assign({kItemRecord, 0, 0, 0, 0});
  AppendSigned(born_ms, &record_);
  Append(item.number, &record_);
  AppendByte(item.main_topic, &record_);
  AppendByte(item.second_topic, &record_);
  AppendFloat(item.main_weight, &record_);
  AppendFloat(item.second_weight, &record_);
  AppendFloat(item.quality, &record_);
  return WriteRecord();
}

absl::Status TruthWriter::AddSession(const Session& session, const User& user) {
  record_.assign({kSessionRecord, 0, 0, 0, 0});
  AppendSigned(session.started_ms, &record_);
  Append(session.user, &record_);
  Append(session.number, &record_);
  AppendByte(static_cast<int>(session.segment), &record_);
  for (int t = 0; t < topics_; ++t) AppendFloat(user.long_term[t], &record_);
  for (int t = 0; t < topics_; ++t) AppendFloat(user.short_term[t], &record_);
  return WriteRecord();
}

absl::Status TruthWriter::AddSlate(const ShownSlate& slate) {
  record_.assign({kSlateRecord, 0, 0, 0, 0});
  Append(slate.ranking, &record_);
  AppendSigned(slate.time_ms, &record_);
  Append(slate.session->user, &record_);
  Append(slate.session->number, &record_);
  AppendByte(static_cast<int>(slate.session->segment), &record_);
  AppendByte(static_cast<int>(slate.impressions.size()), &record_);
  for (const Impression& impression : slate.impressions) {
    Append(impression.item, &record_);
    AppendFloat(impression.propensity, &record_);
    for (const float probability : impression.probabilities) AppendFloat(probability, &record_);
  }
  return WriteRecord();
}

absl::Status TruthWriter::Finish() {
  record_.assign({kEndRecord, 0, 0, 0, 0});
  Append(records_, &record_);
  FOURFOLD_RETURN_IF_ERROR(WriteRecord());
  return sink_->Finish();
}

absl::StatusOr<std::unique_ptr<TruthReader>> TruthReader::Open(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, ByteSource::Open(path));
  return Open(std::move(source), path);
}

absl::StatusOr<std::unique_ptr<TruthReader>> TruthReader::Open(std::unique_ptr<ByteSource> source,
                                                               std::string name) {
  std::unique_ptr<TruthReader> reader(new TruthReader(std::move(source), std::move(name)));
  const absl::Status status = reader->Fill(kMagic.size());
  if (absl::IsDataLoss(status) || !std::string_view(reader->buffer_).starts_with(kMagic)) {
    return InvalidArgument(reader->name_, ": is no truth file of version 1");
  }
  FOURFOLD_RETURN_IF_ERROR(status);
  reader->begin_ = reader->offset_ = kMagic.size();
  FOURFOLD_ASSIGN_OR_RETURN(const char type, reader->ReadRecord());
  Fields fields(reader->payload_);
  reader->world_ = ReadWorld(&fields);
  if (type != kWorldRecord || !fields.whole()) return reader->Broken("does not begin with a world");
  return reader;
}

absl::Status TruthReader::Broken(std::string_view how) const {
  return DataLoss(name_, ": record at byte ", offset_, ": ", how);
}

// Until so many bytes from begin_ on are in the buffer.
absl::Status TruthReader::Fill(std::size_t bytes) {
  if (buffer_.size() - begin_ >= bytes) return absl::OkStatus();
  buffer_.erase(0, begin_);
  begin_ = 0;
  while (buffer_.size() < bytes) {
    const std::size_t size = buffer_.size();
    buffer_.resize(size + kReadBytes);
    FOURFOLD_ASSIGN_OR_RETURN(const std::size_t read,
                              source_->Read(buffer_.data() + size, kReadBytes));
    buffer_.resize(size + read);
    if (read == 0) return Broken("the file ends too early");
  }
  return absl::OkStatus();
}

absl::StatusOr<char> TruthReader::ReadRecord() {
  FOURFOLD_RETURN_IF_ERROR(Fill(kHeadBytes));
  const char type = buffer_[begin_];
  Fields head(std::string_view(buffer_).substr(begin_ + 1, kHeadBytes - 1));
  const std::size_t size = head.Read<std::uint32_t>();
  if (size > kRecordBytesMax) return Broken("is too large");
  FOURFOLD_RETURN_IF_ERROR(Fill(kHeadBytes + size));
  payload_ = std::string_view(buffer_).substr(begin_ + kHeadBytes, size);
  begin_ += kHeadBytes + size;
  ++records_;
  return type;
}

absl::StatusOr<std::optional<TruthRecord>> TruthReader::Next() {
  if (at_end_) return std::nullopt;
  offset_ += kHeadBytes + payload_.size();  // of the record before
  FOURFOLD_ASSIGN_OR_RETURN(const char type, ReadRecord());
  Fields fields(payload_);
  std::optional<TruthRecord> record;
  switch (type) {
    case kDayRecord:
      record = ReadDay(&fields, world_.topics);
      break;
    case kItemRecord:
      record = ReadItem(&fields, world_.topics);
      break;
    case kSessionRecord:
      record = ReadSession(&fields, world_.topics);
      break;
    case kSlateRecord:
      record = ReadSlate(&fields);
      break;
    case kEndRecord:
      if (fields.Read<std::uint64_t>() + 1 != records_) return Broken("records are missing");
      at_end_ = true;
      break;
    default:
      return Broken("is of no known type");
  }
  if (!fields.whole()) return Broken("does not hold what its type says");
  return record;
}

}  // namespace fourfold::simulation
