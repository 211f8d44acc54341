#include <benchmark/benchmark.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/coding.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/event_store_codec.h"

namespace fourfold {
namespace {

constexpr std::int64_t kStartMs = 1'300'000'000'000;
constexpr int kUsers = 20'000;
constexpr int kItems = 4'000;
constexpr std::size_t kBatchEvents = 4'000;

std::string TemporaryDirectory(std::string_view name) {
  std::string directory =
      StrCat(std::filesystem::temp_directory_path().string(), "/fourfold_bench_", name, "_",
             static_cast<std::int64_t>(getpid()));
  std::filesystem::remove_all(directory);
  return directory;
}

// Interactions as an import brings them: in order of time, spread over users and items.
TimedEvent MakeInteraction(std::uint64_t number) {
  TimedEvent timed;
  Event& event = timed.event;
  const std::uint64_t mixed = StableHash("interaction", number);
  event.kind = EventKind::kInteraction;
  event.id = StrCat("line-", DigestToHex(DigestOf(StrCat(number))).substr(0, 24));
  event.event_time_ms = kStartMs + static_cast<std::int64_t>(number) * 100;
  event.user = StrCat("user-", mixed % kUsers);
  event.item = StrCat("item-", mixed / kUsers % kItems);
  event.type = "purchase";
  timed.known_time_ms = event.event_time_ms;
  return timed;
}

std::vector<TimedEvent> MakeInteractions(std::uint64_t first, std::size_t count) {
  std::vector<TimedEvent> events;
  events.reserve(count);
  for (std::size_t i = 0; i < count; ++i) events.push_back(MakeInteraction(first + i));
  return events;
}

// A store that lives for one benchmark.
class ScratchStore {
 public:
  explicit ScratchStore(std::string_view name, std::size_t write_buffer_bytes = 32 << 20)
      : directory_(TemporaryDirectory(name)) {
    EventStoreOptions options;
    options.directory = directory_;
    options.write_buffer_bytes = write_buffer_bytes;
    auto opened = EventStore::Open(options, &clock_);
    FOURFOLD_CHECK(opened.ok());
    store_ = *std::move(opened);
  }
  ~ScratchStore() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Import(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; i += kBatchEvents) {
      std::vector<TimedEvent> events = MakeInteractions(i, kBatchEvents);
      FOURFOLD_CHECK(store_->GatherImported(absl::MakeSpan(events)).ok());
    }
    FOURFOLD_CHECK(store_->Flush().ok());
  }
  EventStore* operator->() { return store_.get(); }

 private:
  ManualClock clock_{kStartMs * 2};
  std::string directory_;
  std::unique_ptr<EventStore> store_;
};

// Durable import: arg 0 events in all, arg 1 MiB of write buffers.
void BM_Import(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<std::vector<TimedEvent>> batches;
  for (auto _ : state) {
    state.PauseTiming();
    batches.clear();
    for (std::size_t i = 0; i < count; i += kBatchEvents) {
      batches.push_back(MakeInteractions(i, kBatchEvents));
    }
    auto store = std::make_unique<ScratchStore>("import", state.range(1) << 20);
    state.ResumeTiming();
    for (auto& batch : batches) {
      FOURFOLD_CHECK((*store)->GatherImported(absl::MakeSpan(batch)).ok());
    }
    FOURFOLD_CHECK((*store)->Flush().ok());
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(BM_Import)
    ->Args({400'000, 32})
    ->Args({400'000, 128})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// What RocksDB alone takes for the same keys and values, ready made.
void BM_RawRocksDbImport(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  struct Puts {
    std::string log_key, log, id, position, user_key, user, item_key, item;
  };
  std::vector<Puts> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    const TimedEvent timed = MakeInteraction(i);
    const LoggedEvent logged{i, timed.known_time_ms, kNoTimeMs, timed.event};
    const Digest digest = DigestOf(timed.event.id);
    Puts& puts = all[i];
    AppendBigEndian64(&puts.log_key, i);
    EncodeLogged(logged, &puts.log);
    puts.id.assign(reinterpret_cast<const char*>(digest.data()), digest.size());
    AppendVarint(&puts.position, i);
    for (auto [stream, id, key, value] :
         {std::tuple{Stream::kUserActions, &timed.event.user, &puts.user_key, &puts.user},
          std::tuple{Stream::kItemActions, &timed.event.item, &puts.item_key, &puts.item}}) {
      *key = EntityOf(stream, *id) + std::string(2, '\0');
      AppendBigEndian64(key, ~OrderedBits(timed.event.event_time_ms));
      for (const std::uint8_t byte : digest) key->push_back(static_cast<char>(~byte));
      EncodeLine(stream, logged, value);
    }
  }
  for (auto _ : state) {
    state.PauseTiming();
    const std::string directory = TemporaryDirectory("raw");
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.atomic_flush = true;
    options.db_write_buffer_size = static_cast<std::size_t>(state.range(1)) << 20;
    options.max_background_jobs = 2;
    options.compression = rocksdb::kLZ4Compression;
    rocksdb::DB* opened = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    const rocksdb::ColumnFamilyOptions family(options);
    FOURFOLD_CHECK(rocksdb::DB::Open(options, directory,
                                     {{"default", family}, {"ids", family}, {"history", family}},
                                     &families, &opened)
                       .ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    rocksdb::WriteOptions unlogged;
    unlogged.disableWAL = true;
    state.ResumeTiming();
    for (std::size_t i = 0; i < count; i += kBatchEvents) {
      rocksdb::WriteBatch batch;
      for (std::size_t j = i; j < std::min(i + kBatchEvents, count); ++j) {
        const Puts& puts = all[j];
        batch.Put(families[0], puts.log_key, puts.log);
        batch.Put(families[1], puts.id, puts.position);
        batch.Put(families[2], puts.user_key, puts.user);
        batch.Put(families[2], puts.item_key, puts.item);
      }
      FOURFOLD_CHECK(db->Write(unlogged, &batch).ok());
    }
    FOURFOLD_CHECK(db->Flush(rocksdb::FlushOptions(), families).ok());
    state.PauseTiming();
    for (auto* handle : families) db->DestroyColumnFamilyHandle(handle);
    FOURFOLD_CHECK(db->Close().ok());
    std::filesystem::remove_all(directory);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(BM_RawRocksDbImport)
    ->Args({400'000, 32})
    ->Args({400'000, 128})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// One live action, acknowledged when it is on disk.
void BM_AppendSynced(benchmark::State& state) {
  static ScratchStore* store = nullptr;
  if (state.thread_index() == 0) store = new ScratchStore("append");
  std::uint64_t number = static_cast<std::uint64_t>(state.thread_index()) << 40;
  std::vector<double> micros;
  for (auto _ : state) {
    const Event event = MakeInteraction(number++).event;
    const auto start = std::chrono::steady_clock::now();
    FOURFOLD_CHECK((*store)->Append({&event, 1}).ok());
    micros.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p99_us"] =
      benchmark::Counter(micros[micros.size() * 99 / 100], benchmark::Counter::kAvgThreads);
  if (state.thread_index() == 0) delete store;
}
BENCHMARK(BM_AppendSynced)->Threads(1)->Threads(4)->UseRealTime()->Unit(benchmark::kMicrosecond);

void BM_AppendBuffered(benchmark::State& state) {
  ScratchStore store("buffered");
  std::uint64_t number = 0;
  for (auto _ : state) {
    const Event event = MakeInteraction(number++).event;
    FOURFOLD_CHECK(store->Append({&event, 1}, Durability::kBuffered).ok());
  }
}
BENCHMARK(BM_AppendBuffered)->Unit(benchmark::kMicrosecond);

// The 100 newest actions of a user, from files, of 200,000 in the store.
void BM_ReadHistory(benchmark::State& state) {
  ScratchStore store("history");
  store.Import(200'000);
  std::vector<HistoryEntry> entries;
  std::vector<Event> events;
  for (int i = 0; i < 300; ++i) {
    Event event = MakeInteraction(static_cast<std::uint64_t>(i)).event;
    event.id = StrCat("regular-", i);
    event.user = "regular";
    events.push_back(std::move(event));
  }
  FOURFOLD_CHECK(store->Append(events).ok());
  for (auto _ : state) {
    entries.clear();
    const ReadPoint now = store->Now();
    FOURFOLD_CHECK(store->ReadHistory({.user = "regular", .session = "new"}, now, &entries).ok());
    FOURFOLD_CHECK(entries.size() == 100);
  }
}
BENCHMARK(BM_ReadHistory)->Unit(benchmark::kMicrosecond);

// An item with 50 versions of its fields.
void BM_ReadItem(benchmark::State& state) {
  ScratchStore store("item");
  store.Import(200'000);
  std::vector<Event> events;
  for (int i = 0; i < 50; ++i) {
    Event event;
    event.kind = EventKind::kItem;
    event.id = StrCat("version-", i);
    event.item = "item-7";
    event.event_time_ms = kStartMs + i;
    event.fields = {{"description", "WHITE HANGING HEART T-LIGHT HOLDER"}, {"price", 2.5 + i}};
    events.push_back(std::move(event));
  }
  FOURFOLD_CHECK(store->Append(events).ok());
  for (auto _ : state) {
    const auto item = store->ReadItem("item-7", store->Now());
    FOURFOLD_CHECK(item.ok() && item->fields.size() == 2);
  }
}
BENCHMARK(BM_ReadItem)->Unit(benchmark::kMicrosecond);

void BM_ScanLog(benchmark::State& state) {
  ScratchStore store("scan");
  store.Import(200'000);
  for (auto _ : state) {
    std::uint64_t seen = 0;
    FOURFOLD_CHECK(
        store->ScanLog(0, store->EndPosition(), [&](const LoggedEvent&) { return ++seen > 0; })
            .ok());
    FOURFOLD_CHECK(seen == 200'000);
  }
  state.SetItemsProcessed(state.iterations() * 200'000);
}
BENCHMARK(BM_ScanLog)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fourfold
