#include "model/transact/transact_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/transact/transact_plain.h"
#include "model/transact/transact_testing.h"

namespace fourfold {
namespace {

constexpr std::int64_t kNowMs = TransActUser::kRequestTimeMs;

std::vector<float> EncodeFast(const TransActEncoder& encoder, const TransActUser& user,
                              const std::vector<float>& candidates, TransActRequest* request,
                              std::int64_t window_ms = 0) {
  const TransActShape& shape = encoder.shape();
  std::vector<float> outputs(candidates.size() / shape.item_dimension * shape.output_width());
  encoder.Begin(user.sequence(), HiddenRows(user.sequence(), kNowMs, window_ms), request);
  encoder.Encode(candidates, outputs, request);
  return outputs;
}

std::vector<float> EncodeSlowly(const TransActParameters& parameters, const TransActUser& user,
                                const std::vector<float>& candidates, std::int64_t window_ms = 0) {
  const std::size_t dimension = parameters.shape.item_dimension;
  const auto hidden = HiddenRows(user.sequence(), kNowMs, window_ms);
  std::vector<float> outputs;
  for (std::size_t c = 0; c < candidates.size(); c += dimension) {
    const auto one = EncodePlainly(parameters, user.sequence(), hidden,
                                   std::span(candidates).subspan(c, dimension));
    outputs.insert(outputs.end(), one.begin(), one.end());
  }
  return outputs;
}

void ExpectNear(const std::vector<float>& expected, const std::vector<float>& actual,
                float tolerance) {
  ASSERT_EQ(expected.size(), actual.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(std::isfinite(actual[i])) << "element " << i;
    ASSERT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
  }
}

TEST(TransActEncoderTest, AgreesWithThePlainTwinOverShapesLengthsAndWindows) {
  std::mt19937_64 random(401);
  TransActRequest request;  // one for all: nothing of an earlier request shows
  for (int round = 0; round < 24; ++round) {
    TransActShape shape;
    shape.actions = 1 + random() % 40;
    shape.action_types = 2 + random() % 5;
    shape.heads = 1 + random() % 3;
    shape.action_dimension = 4 + random() % 9;
    shape.item_dimension = 3 + random() % 10;
    while (shape.width() % shape.heads != 0) ++shape.action_dimension;
    shape.layers = 1 + random() % 3;
    shape.feed_forward = 1 + random() % 40;
    shape.latest = random() % (shape.actions + 1);
    shape.max_pool = shape.latest == 0 || random() % 2 == 0;
    ASSERT_TRUE(shape.Check().ok());
    const TransActParameters parameters = RandomTransAct(shape, random());
    const TransActUser user(shape, random() % (shape.actions + 1), random());
    const auto candidates = RandomCandidates(shape, 1 + random() % 70, random());
    const auto window_ms = static_cast<std::int64_t>(random() % 20) * 60'000;
    SCOPED_TRACE("round " + std::to_string(round));
    const std::vector<float> expected = EncodeSlowly(parameters, user, candidates, window_ms);
    for (const ColumnKernels* kernels : ColumnKernelSets()) {
      SCOPED_TRACE(kernels->name);
      const TransActEncoder encoder(parameters, *kernels);
      ExpectNear(expected, EncodeFast(encoder, user, candidates, &request, window_ms), 5e-5f);
    }
  }
}

TEST(TransActEncoderTest, EqualRowsStandForOneAndCountAsOftenAsTheyStand) {
  std::mt19937_64 random(425);
  TransActRequest request;
  for (int round = 0; round < 16; ++round) {
    TransActShape shape;
    shape.actions = 30;
    shape.action_types = 4;
    shape.action_dimension = shape.item_dimension = 8;
    shape.heads = 1 + random() % 2;
    shape.layers = 1 + random() % 3;
    shape.latest = 1 + random() % 12;
    shape.max_pool = random() % 2 == 0;
    // Sharp in some rounds, so that the sum of the logits counts rows, too.
    const TransActParameters parameters =
        RandomTransAct(shape, random(), round % 4 == 3 ? 15.0F : 1.0F);
    TransActUser user(shape, 30, random());
    const std::size_t kinds = 1 + random() % 10;
    for (std::size_t row = kinds; row < shape.actions; ++row) {
      const std::size_t like = random() % kinds;
      user.types[row] = user.types[like];
      std::copy_n(user.items.begin() + like * shape.item_dimension, shape.item_dimension,
                  user.items.begin() + row * shape.item_dimension);
    }
    if (round % 3 == 0) user.times_ms[random() % shape.actions] = kNowMs + 1;  // hidden
    const auto candidates = RandomCandidates(shape, 1 + random() % 40, random());
    SCOPED_TRACE("round " + std::to_string(round));
    ExpectNear(EncodeSlowly(parameters, user, candidates),
               EncodeFast(TransActEncoder(parameters), user, candidates, &request),
               round % 4 == 3 ? 5e-3F : 5e-5F);
  }
}

TEST(TransActEncoderTest, SharpWeightsThatUnderflowGoThroughTheSumOfTheLogits) {
  TransActShape shape;
  shape.heads = 2;
  const TransActParameters parameters = RandomTransAct(shape, 402, /*sharpness=*/15);
  const TransActUser user(shape, 100, 403);
  const auto candidates = RandomCandidates(shape, 8, 404);
  const std::size_t before = TransActEncoder::exact_heads_for_testing();
  TransActRequest request;
  const auto outputs = EncodeFast(TransActEncoder(parameters), user, candidates, &request);
  EXPECT_GT(TransActEncoder::exact_heads_for_testing(), before);
  // A softmax this sharp is close to a choice, which rounding may turn; most of it must agree.
  const auto expected = EncodeSlowly(parameters, user, candidates);
  std::size_t apart = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(std::isfinite(outputs[i]));
    apart += std::fabs(outputs[i] - expected[i]) > 1e-2f;
  }
  EXPECT_LT(static_cast<double>(apart), 0.01 * static_cast<double>(expected.size()));
}

TEST(TransActEncoderTest, ModestlySharpWeightsAgreeClosely) {
  TransActShape shape;
  const TransActParameters parameters = RandomTransAct(shape, 405, /*sharpness=*/3);
  const TransActUser user(shape, 80, 406);
  const auto candidates = RandomCandidates(shape, 6, 407);
  TransActRequest request;
  ExpectNear(EncodeSlowly(parameters, user, candidates),
             EncodeFast(TransActEncoder(parameters), user, candidates, &request), 1e-3f);
}

TEST(TransActEncoderTest, InBfloat16ItAgreesWithThePlainKernelsAndNearlyWithFloat32) {
  std::mt19937_64 random(426);
  TransActRequest request;
  for (int round = 0; round < 8; ++round) {
    TransActShape shape;
    shape.actions = 1 + random() % 40;
    shape.heads = 1 + round % 2;
    shape.action_dimension = 2 * (2 + random() % 5);
    shape.item_dimension = 3 + random() % 10;
    shape.feed_forward = 1 + random() % 40;
    shape.latest = random() % (shape.actions + 1);
    shape.max_pool = shape.latest == 0 || random() % 2 == 0;
    const TransActParameters parameters = RandomTransAct(shape, random());
    const TransActUser user(shape, random() % (shape.actions + 1), random());
    const auto candidates = RandomCandidates(shape, 1 + random() % 40, random());
    SCOPED_TRACE("round " + std::to_string(round));
    const TransActEncoder plain(parameters, PlainColumnKernels(), Precision::kBfloat16);
    const std::vector<float> expected = EncodeFast(plain, user, candidates, &request);
    ExpectNear(EncodeSlowly(parameters, user, candidates), expected, 0.05f);
    for (const ColumnKernels* kernels : ColumnKernelSets()) {
      SCOPED_TRACE(kernels->name);
      const TransActEncoder encoder(parameters, *kernels, Precision::kBfloat16);
      // A sum that another order rounds otherwise may round to another bfloat16 afterwards.
      ExpectNear(expected, EncodeFast(encoder, user, candidates, &request), 0.02f);
    }
  }
}

TEST(TransActEncoderTest, SharpLogitsInBfloat16StayNumbersAndMostlyRight) {
  TransActShape shape;
  shape.heads = 2;
  const TransActParameters parameters = RandomTransAct(shape, 427, /*sharpness=*/15);
  const TransActUser user(shape, 100, 428);
  const auto candidates = RandomCandidates(shape, 8, 429);
  const auto expected = EncodeSlowly(parameters, user, candidates);
  TransActRequest request;
  for (const ColumnKernels* kernels : ColumnKernelSets()) {
    const TransActEncoder encoder(parameters, *kernels, Precision::kBfloat16);
    const auto outputs = EncodeFast(encoder, user, candidates, &request);
    double squares = 0, off = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_TRUE(std::isfinite(outputs[i])) << kernels->name;
      squares += std::pow(expected[i], 2);
      off += std::pow(outputs[i] - expected[i], 2);
    }
    EXPECT_LT(std::sqrt(off / squares), 0.25) << kernels->name;
  }
}

TEST(TransActEncoderTest, AUserWithoutActionsHasOutputsToo) {
  TransActShape shape;
  shape.heads = 2;
  const TransActParameters parameters = RandomTransAct(shape, 408);
  const TransActUser nobody(shape, 0, 409);
  const auto candidates = RandomCandidates(shape, 3, 410);
  TransActRequest request;
  ExpectNear(EncodeSlowly(parameters, nobody, candidates),
             EncodeFast(TransActEncoder(parameters), nobody, candidates, &request), 5e-5f);
}

TEST(TransActEncoderTest, TheNewestRowStaysVisibleAndLaterOnesAreHiddenByAgeAlone) {
  TransActShape shape;
  shape.actions = 5;
  shape.latest = 2;
  TransActUser user(shape, 4, 411);
  EXPECT_THAT(HiddenRows(user.sequence(), kNowMs, 0), testing::ElementsAre(0, 0, 0, 0, 1));
  EXPECT_THAT(HiddenRows(user.sequence(), kNowMs, 150'000), testing::ElementsAre(0, 1, 0, 0, 1));
  EXPECT_THAT(HiddenRows(user.sequence(), kNowMs, 1 << 30), testing::ElementsAre(0, 1, 1, 1, 1));
  // What is dated after the request leaks nothing.
  user.times_ms[2] = kNowMs + 1;
  EXPECT_THAT(HiddenRows(user.sequence(), kNowMs, 0), testing::ElementsAre(0, 0, 1, 0, 1));
}

TEST(TransActEncoderTest, HiddenRowsChangeNothingButTheirOwnOutputs) {
  TransActShape shape;
  shape.latest = 10;
  shape.max_pool = false;
  const TransActEncoder encoder(RandomTransAct(shape, 412));
  TransActUser user(shape, 40, 413);
  const auto candidates = RandomCandidates(shape, 2, 414);
  TransActRequest request;
  const auto before = EncodeFast(encoder, user, candidates, &request);
  user.times_ms[20] = kNowMs + 5;  // now hidden
  const auto hidden = EncodeFast(encoder, user, candidates, &request);
  for (std::size_t d = 0; d < shape.item_dimension; ++d) {
    user.items[20 * shape.item_dimension + d] = 7;
  }
  EXPECT_EQ(EncodeFast(encoder, user, candidates, &request), hidden);
  EXPECT_NE(before, hidden);
}

TEST(TransActEncoderTest, WhatIsNoNumberStaysSeen) {
  TransActShape shape;
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const TransActEncoder encoder(RandomTransAct(shape, 415), FastColumnKernels(), precision);
    const TransActUser user(shape, 50, 416);
    auto candidates = RandomCandidates(shape, 3, 417);
    TransActRequest request;
    const auto good = EncodeFast(encoder, user, candidates, &request);
    candidates[shape.item_dimension + 4] = std::numeric_limits<float>::quiet_NaN();
    const auto outputs = EncodeFast(encoder, user, candidates, &request);
    const std::size_t width = shape.output_width();
    // The others are as they were; the bad one does not look like a score.
    EXPECT_TRUE(std::equal(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(width),
                           outputs.begin()));
    EXPECT_TRUE(std::equal(good.begin() + static_cast<std::ptrdiff_t>(2 * width), good.end(),
                           outputs.begin() + static_cast<std::ptrdiff_t>(2 * width)));
    for (std::size_t i = 0; i < width; ++i) ASSERT_TRUE(std::isnan(outputs[width + i])) << i;
  }
}

TEST(TransActEncoderTest, ACandidateHasTheSameOutputAmongAnyOthers) {
  TransActShape shape;
  shape.heads = 2;
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const TransActEncoder encoder(RandomTransAct(shape, 418), FastColumnKernels(), precision);
    const TransActUser user(shape, 70, 419);
    const auto candidates = RandomCandidates(shape, 50, 420);
    TransActRequest request;
    const auto together = EncodeFast(encoder, user, candidates, &request);
    for (const std::size_t c : {0, 31, 32, 49}) {
      const auto begin = candidates.begin() + static_cast<std::ptrdiff_t>(c * shape.item_dimension);
      const std::vector<float> one(begin,
                                   begin + static_cast<std::ptrdiff_t>(shape.item_dimension));
      const auto alone = EncodeFast(encoder, user, one, &request);
      EXPECT_TRUE(
          std::equal(alone.begin(), alone.end(),
                     together.begin() + static_cast<std::ptrdiff_t>(c * shape.output_width())))
          << c;
    }
  }
}

TEST(TransActEncoderTest, ThreadsShareOneEncoder) {
  TransActShape shape;
  shape.actions = 20;
  const TransActEncoder encoder(RandomTransAct(shape, 421));
  const TransActUser user(shape, 15, 422);
  const auto candidates = RandomCandidates(shape, 5, 423);
  TransActRequest request;
  const auto expected = EncodeFast(encoder, user, candidates, &request);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      TransActRequest own;
      for (int i = 0; i < 5; ++i) EXPECT_EQ(EncodeFast(encoder, user, candidates, &own), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(TransActParametersTest, NamesWhatIsWrongWithAShapeOrAFile) {
  TransActShape shape;
  shape.heads = 5;
  EXPECT_THAT(shape.Check().ToString(), testing::HasSubstr("heads: 5 do not divide"));
  shape.heads = 2;
  shape.latest = 101;
  EXPECT_THAT(shape.Check().ToString(), testing::HasSubstr("latest: 101 rows of 100"));
  shape.latest = 10;
  const auto file =
      SafetensorsFile::Open(FOURFOLD_SOURCE_DIR "/data/transact-golden/eval-2head.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(TransActParameters::Load(*file, "param.", shape).ok());
  EXPECT_THAT(TransActParameters::Load(*file, "nothing.", shape).status().ToString(),
              testing::HasSubstr("nothing.action_emb_module.weight is missing"));
  shape.feed_forward = 33;
  EXPECT_THAT(TransActParameters::Load(*file, "param.", shape).status().ToString(),
              testing::HasSubstr("layers.0.linear1.weight has another shape"));
}

TEST(TransActSequenceTest, NamesWhatDoesNotFitTheShape) {
  TransActShape shape;
  TransActUser user(shape, 3, 424);
  EXPECT_TRUE(CheckSequence(user.sequence(), shape).ok());
  user.types[1] = 20;
  EXPECT_THAT(CheckSequence(user.sequence(), shape).ToString(),
              testing::HasSubstr("row 1: no action type 20"));
  user.types.pop_back();
  EXPECT_FALSE(CheckSequence(user.sequence(), shape).ok());
}

}  // namespace
}  // namespace fourfold
