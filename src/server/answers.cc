#include "server/answers.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "data/event_json.h"
#include "data/timestamp.h"
#include "server/json_writer.h"

namespace fourfold {
namespace {

void Member(JsonWriter* writer, std::string_view key, std::string_view text) {
  writer->Key(key);
  writer->String(text);
}

void MemberUnlessEmpty(JsonWriter* writer, std::string_view key, std::string_view text) {
  if (!text.empty()) Member(writer, key, text);
}

void Member(JsonWriter* writer, std::string_view key, std::int64_t number) {
  writer->Key(key);
  writer->Integer(number);
}

void Member(JsonWriter* writer, std::string_view key, double number) {
  writer->Key(key);
  writer->Number(number);
}

void FieldsMember(JsonWriter* writer, const std::vector<Field>& fields) {
  writer->Key("fields");
  writer->BeginObject();
  for (const Field& field : fields) {
    writer->Key(field.name);
    writer->Value(field.value);
  }
  writer->EndObject();
}

void WriteContribution(JsonWriter* writer, const RetrieverContribution& contribution) {
  writer->BeginObject();
  Member(writer, "retriever", contribution.retriever);
  Member(writer, "rank", std::int64_t{contribution.rank});
  Member(writer, "score", contribution.score);
  Member(writer, "blended", contribution.blended);
  if (!contribution.because_item.empty()) {
    Member(writer, "because_item", contribution.because_item);
    Member(writer, "because_type", contribution.because_type);
    Member(writer, "because_time_ms", contribution.because_time_ms);
  }
  writer->EndObject();
}

void WriteReadings(JsonWriter* writer, const std::vector<FeatureReading>& readings) {
  writer->BeginObject();
  for (const FeatureReading& reading : readings) {
    writer->Key(reading.name);
    writer->Number(reading.value.value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  writer->EndObject();
}

void PredictionsMember(JsonWriter* writer, const std::vector<ActionPrediction>& predictions) {
  if (predictions.empty()) return;
  writer->Key("predictions");
  writer->BeginObject();
  for (const ActionPrediction& prediction : predictions) {
    writer->Key(prediction.head);
    writer->BeginObject();
    Member(writer, "probability", prediction.probability);
    Member(writer, "weight", prediction.weight);
    writer->EndObject();
  }
  writer->EndObject();
}

void ItemsMember(JsonWriter* writer, const std::vector<RecommendedItem>& items, bool explain) {
  writer->Key("items");
  writer->BeginArray();
  for (const RecommendedItem& item : items) {
    writer->BeginObject();
    Member(writer, "item", item.item);
    Member(writer, "score", item.score);
    writer->Key("retrievers");
    writer->BeginArray();
    for (const std::string& retriever : item.retrievers) writer->String(retriever);
    writer->EndArray();
    if (explain) {
      FieldsMember(writer, item.fields);
      writer->Key("contributions");
      writer->BeginArray();
      for (const auto& contribution : item.contributions) WriteContribution(writer, contribution);
      writer->EndArray();
      if (item.blend_rank > 0) {
        Member(writer, "blend_rank", std::int64_t{item.blend_rank});
        Member(writer, "blend_score", item.blend_score);
        writer->Key("features");
        WriteReadings(writer, item.features);
        writer->Key("feature_contributions");
        WriteReadings(writer, item.feature_contributions);
        PredictionsMember(writer, item.predictions);
      }
    }
    writer->EndObject();
  }
  writer->EndArray();
}

void DegradedMember(JsonWriter* writer, const std::vector<Degradation>& degraded) {
  writer->Key("degraded");
  writer->BeginArray();
  for (const Degradation& degradation : degraded) {
    writer->BeginObject();
    Member(writer, "stage", degradation.stage);
    Member(writer, "reason", degradation.reason);
    writer->EndObject();
  }
  writer->EndArray();
}

void EventsMember(JsonWriter* writer, std::string_view key, const std::vector<Event>& events) {
  writer->Key(key);
  writer->BeginArray();
  for (const Event& event : events) writer->Raw(EventToJson(event));
  writer->EndArray();
}

void ExplanationMembers(JsonWriter* writer, const RecommendResponse& response) {
  writer->Key("dropped");
  writer->BeginArray();
  for (const DroppedItem& dropped : response.dropped) {
    writer->BeginObject();
    Member(writer, "item", dropped.item);
    Member(writer, "dropped_by", dropped.dropped_by);
    Member(writer, "reason", dropped.reason);
    writer->EndObject();
  }
  writer->EndArray();
  EventsMember(writer, "history", response.history);
}

// Each answer is one object that begins with its request id.
template <typename Members>
std::string Object(std::string_view request_id, const Members& members) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject();
  if (!request_id.empty()) Member(&writer, "request_id", request_id);
  members(&writer);
  writer.EndObject();
  return json;
}

constexpr std::string_view NameOf(IngestOutcome outcome) {
  switch (outcome) {
    case IngestOutcome::kAccepted:
      return "accepted";
    case IngestOutcome::kDuplicate:
      return "duplicate";
    case IngestOutcome::kRejected:
      break;
  }
  return "rejected";
}

void WriteIngestResult(JsonWriter* writer, const IngestResult& result) {
  writer->BeginObject();
  Member(writer, "outcome", NameOf(result.outcome));
  MemberUnlessEmpty(writer, "id", result.id);
  if (result.outcome == IngestOutcome::kRejected) {
    Member(writer, "error", result.error);
  } else {
    Member(writer, "position", result.position);
    if (result.event_time_ms != kNoTimeMs) {
      Member(writer, "event_time_ms", result.event_time_ms);
    }
  }
  writer->EndObject();
}

void WriteServable(JsonWriter* writer, const ServableInfo& servable) {
  writer->BeginObject();
  Member(writer, "version", servable.version);
  Member(writer, "state", servable.state);
  Member(writer, "recipe", servable.recipe);
  Member(writer, "created_at_ms", servable.created_at_ms);
  Member(writer, "as_of_ms", servable.as_of_ms);
  writer->Key("actions");
  writer->Unsigned(servable.actions);
  writer->Key("metrics");
  writer->BeginObject();
  for (const auto& [name, value] : servable.metrics) Member(writer, name, value);
  writer->EndObject();
  MemberUnlessEmpty(writer, "problem", servable.problem);
  writer->EndObject();
}

constexpr std::string_view NameOf(TrainingView::State state) {
  using State = TrainingView::State;
  switch (state) {
    case State::kNone:
      return "none";
    case State::kRunning:
      return "running";
    case State::kPublished:
      return "published";
    case State::kActive:
      return "active";
    case State::kCancelled:
      return "cancelled";
    case State::kFailed:
      break;
  }
  return "failed";
}

void TrainingMember(JsonWriter* writer, const TrainingView& training) {
  writer->Key("training");
  writer->BeginObject();
  Member(writer, "state", NameOf(training.state));
  Member(writer, "started_at_ms", training.started_at_ms);
  if (training.state == TrainingView::State::kRunning) {
    Member(writer, "stage", training.stage);
    Member(writer, "done", training.done);
  } else {
    Member(writer, "ended_at_ms", training.ended_at_ms);
  }
  MemberUnlessEmpty(writer, "servable", training.servable);
  MemberUnlessEmpty(writer, "problem", training.problem);
  writer->Key("notes");
  writer->BeginArray();
  for (const std::string& note : training.notes) writer->String(note);
  writer->EndArray();
  writer->EndObject();
}

}  // namespace

std::string RecommendJson(const RecommendResponse& response, bool explain) {
  return Object(response.request_id, [&](JsonWriter* writer) {
    Member(writer, "servable", response.servable);
    Member(writer, "as_of_ms", response.as_of_ms);
    ItemsMember(writer, response.items, explain);
    DegradedMember(writer, response.degraded);
    if (explain) ExplanationMembers(writer, response);
    if (!response.why_not.item.empty()) {
      writer->Key("why_not");
      writer->BeginObject();
      Member(writer, "item", response.why_not.item);
      Member(writer, "verdict", response.why_not.verdict);
      Member(writer, "reason", response.why_not.reason);
      writer->EndObject();
    }
  });
}

std::string SimilarJson(const RecommendResponse& response, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "servable", response.servable);
    Member(writer, "as_of_ms", response.as_of_ms);
    ItemsMember(writer, response.items, /*explain=*/false);
    DegradedMember(writer, response.degraded);
  });
}

std::string IngestJson(const std::vector<IngestResult>& results, std::string_view request_id) {
  std::array<std::int64_t, 3> counts{};
  std::string_view position;
  for (const IngestResult& result : results) {
    ++counts[static_cast<std::size_t>(result.outcome)];
    if (!result.position.empty()) position = result.position;
  }
  return Object(request_id, [&](JsonWriter* writer) {
    for (const auto outcome :
         {IngestOutcome::kAccepted, IngestOutcome::kDuplicate, IngestOutcome::kRejected}) {
      Member(writer, NameOf(outcome), counts[static_cast<std::size_t>(outcome)]);
    }
    MemberUnlessEmpty(writer, "position", position);
    writer->Key("results");
    writer->BeginArray();
    for (const IngestResult& result : results) WriteIngestResult(writer, result);
    writer->EndArray();
  });
}

std::string EntityJson(std::string_view kind, std::string_view id, const EntityView& entity,
                       std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, kind, id);
    FieldsMember(writer, entity.fields);
  });
}

std::string ActionsJson(std::string_view user, const std::vector<Event>& actions,
                        std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "user", user);
    EventsMember(writer, "actions", actions);
  });
}

namespace {

void WriteSequence(JsonWriter* writer, const SequenceReading& sequence) {
  writer->BeginArray();
  for (const SequenceReading::Action& action : sequence.actions) {
    writer->BeginObject();
    Member(writer, "item", action.item);
    Member(writer, "type", action.type);
    Member(writer, "timestamp", FormatTimestamp(action.event_time_ms));
    writer->Key("fields");
    writer->BeginArray();
    for (const std::optional<double>& field : action.fields) {
      writer->Number(field.value_or(std::numeric_limits<double>::quiet_NaN()));
    }
    writer->EndArray();
    writer->EndObject();
  }
  writer->EndArray();
}

}  // namespace

std::string RankJson(const RankResponse& response, bool explain, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "servable", response.servable);
    writer->Key("items");
    writer->BeginArray();
    for (const RankedResult& result : response.items) {
      writer->BeginObject();
      Member(writer, "item", result.item);
      Member(writer, "score", result.score);
      Member(writer, "input_rank", std::int64_t{result.input_rank});
      if (explain) {
        writer->Key("features");
        WriteReadings(writer, result.features);
        writer->Key("contributions");
        WriteReadings(writer, result.contributions);
        PredictionsMember(writer, result.predictions);
      }
      writer->EndObject();
    }
    writer->EndArray();
  });
}

std::string ValueModelJson(const ValueModelView& model, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "servable", model.servable);
    for (const bool in_force : {true, false}) {
      writer->Key(in_force ? "weights" : "recipe_weights");
      writer->BeginObject();
      for (const ValueModelView::Head& head : model.heads) {
        Member(writer, head.head, in_force ? head.weight : head.recipe_weight);
      }
      writer->EndObject();
    }
  });
}

std::string SkewJson(const SkewReport& report) {
  return Object(/*request_id=*/"", [&](JsonWriter* writer) {
    Member(writer, "requests", static_cast<std::int64_t>(report.requests));
    Member(writer, "without_ranker", static_cast<std::int64_t>(report.without_ranker));
    Member(writer, "below_horizon", static_cast<std::int64_t>(report.below_horizon));
    Member(writer, "values", static_cast<std::int64_t>(report.values));
    Member(writer, "differing", static_cast<std::int64_t>(report.differing));
    if (report.requests > 0) {
      Member(writer, "first", FormatTimestamp(report.first_ms));
      Member(writer, "last", FormatTimestamp(report.last_ms));
    }
    writer->Key("differing_by_feature");
    writer->BeginObject();
    for (const auto& [feature, count] : report.differing_by_feature) {
      Member(writer, feature, static_cast<std::int64_t>(count));
    }
    writer->EndObject();
    writer->Key("differences");
    writer->BeginArray();
    for (const SkewReport::Difference& difference : report.differences) {
      writer->BeginObject();
      Member(writer, "as_of", FormatTimestamp(difference.as_of_ms));
      MemberUnlessEmpty(writer, "user", difference.user);
      Member(writer, "servable", difference.servable);
      Member(writer, "feature", difference.feature);
      MemberUnlessEmpty(writer, "item", difference.item);
      Member(writer, "logged", difference.logged);
      Member(writer, "recomputed", difference.recomputed);
      writer->EndObject();
    }
    writer->EndArray();
  });
}

std::string FeaturesJson(const FeatureReadResponse& response, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "as_of", FormatTimestamp(response.as_of_ms));
    Member(writer, "known_at", FormatTimestamp(response.known_at_ms));
    writer->Key("request");
    WriteReadings(writer, response.request);
    writer->Key("items");
    writer->BeginArray();
    for (const auto& [item, readings] : response.items) {
      writer->BeginObject();
      Member(writer, "item", item);
      writer->Key("features");
      WriteReadings(writer, readings);
      writer->EndObject();
    }
    writer->EndArray();
    writer->Key("sequences");
    writer->BeginObject();
    for (const SequenceReading& sequence : response.sequences) {
      writer->Key(sequence.name);
      WriteSequence(writer, sequence);
    }
    writer->EndObject();
  });
}

std::string ErasedJson(std::string_view user, std::uint64_t events, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "user", user);
    writer->Key("erased_events");
    writer->Unsigned(events);
  });
}

std::string ServablesJson(const std::vector<ServableInfo>& servables, const TrainingView& training,
                          std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    writer->Key("servables");
    writer->BeginArray();
    for (const ServableInfo& servable : servables) WriteServable(writer, servable);
    writer->EndArray();
    if (training.state != TrainingView::State::kNone) TrainingMember(writer, training);
  });
}

std::string TrainingJson(const TrainingView& training, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) { TrainingMember(writer, training); });
}

std::string ActiveServableJson(std::string_view version, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) { Member(writer, "active", version); });
}

std::string ReadyJson(const EngineStatus& status, std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) {
    Member(writer, "status", "ready");
    Member(writer, "servable", status.active_servable);
    Member(writer, "recipe", status.recipe);
    Member(writer, "now_ms", status.now_ms);
  });
}

std::string LiveJson(std::string_view request_id) {
  return Object(request_id, [&](JsonWriter* writer) { Member(writer, "status", "live"); });
}

}  // namespace fourfold
