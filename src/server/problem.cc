#include "server/problem.h"

#include "base/strings.h"
#include "server/json_writer.h"

namespace fourfold {

ProblemKind KindOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kInvalidRequest;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return kConflict;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
      return kUnavailable;
    case absl::StatusCode::kDeadlineExceeded:
      return kTimeout;
    case absl::StatusCode::kUnimplemented:
      return kNotImplemented;
    default:
      return kInternalError;
  }
}

std::string ProblemJson(const ProblemKind& kind, std::string_view detail,
                        std::string_view request_id, const FieldErrors& errors) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  writer.Key("type");
  writer.String(StrCat("urn:fourfold:problem:", kind.name));
  writer.Key("title");
  writer.String(kind.title);
  writer.Key("status");
  writer.Integer(kind.status);
  writer.Key("detail");
  writer.String(detail);
  writer.Key("request_id");
  writer.String(request_id);
  if (!errors.empty()) {
    writer.Key("errors");
    writer.BeginArray();
    for (const FieldError& error : errors) {
      writer.BeginObject();
      writer.Key("field");
      writer.String(error.field);
      writer.Key("detail");
      writer.String(error.detail);
      writer.EndObject();
    }
    writer.EndArray();
  }
  writer.EndObject();
  return json;
}

}  // namespace fourfold
