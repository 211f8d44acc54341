#!/usr/bin/env bash
# The command line from outside, as its users walk: a small shop from import to rollback.
# usage: scenario_test.sh FOURFOLD_BINARY
set -euo pipefail

fourfold=$(realpath "$1")
home=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2> /dev/null || true
  rm -rf "$home"
}
trap finish EXIT
cd "$home"

fail() { echo "FAILED: $*" >&2; exit 1; }
# expect CODE COMMAND...: output goes to $home/out and $home/err.
expect() {
  local want=$1 got=0
  shift
  "$@" > out 2> err || got=$?
  [ "$got" = "$want" ] || { cat out err >&2; fail "exit $got instead of $want: $*"; }
}
# Sets url, from serve.log.
await_server() {
  url=
  for _ in $(seq 100); do
    url=$(grep -soE 'http://[0-9.]+:[0-9]+' serve.log || true)
    [ -z "$url" ] || return 0
    sleep 0.1
  done
  cat serve.log >&2
  fail "the server did not start"
}
holds() { grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "$1 does not hold: $2"; }; }

cat > shop.yaml << 'END'
name: shop
catalogue: {items: declared, title: title}
import:
  format: csv
  columns: {user: user, item: item, time: time}
  types: [{type: buy}]
  item_fields: [{field: title}, {field: price, kind: number}]
retrievers:
  - {name: together, kind: covisitation}
  - {name: popular, kind: popular}
policy: {seen_actions: [{type: buy}]}
features:
  - {name: sold, kind: count, entity: item, types: [buy]}
  - {name: bought, kind: sequence, entity: user, length: 5}
  - {name: searched, kind: count, entity: query_item}
END
cat > sales.csv << 'END'
user,item,time,title,price
ann,tea,2024-05-01T10:00:00Z,Green tea,4
ann,pot,2024-05-02T10:00:00Z,Tea pot,20
bob,tea,2024-05-01T11:00:00Z,Green tea,4
bob,pot,2024-05-03T11:00:00Z,Tea pot,20
bob,cup,2024-05-04T11:00:00Z,Cup,6
cy,pot,2024-05-05T12:00:00Z,Tea pot,20
cy,broken,yesterday,Broken line,1
END

# Usage.
expect 0 "$fourfold" --help; holds out recommend
for verb in init import validate export train eval publish activate rollback servables serve recommend similar explain why-not features verify-skew status users simulate; do
  expect 0 "$fourfold" "$verb" --help; holds out Examples
done
expect 2 "$fourfold"
expect 2 "$fourfold" recomend; holds err "no verb recomend"
expect 2 "$fourfold" recommend ann --all-users
expect 2 "$fourfold" recommend --limit many

# Validate writes nothing.
expect 0 "$fourfold" validate shop.yaml; holds out "a sound recipe"
expect 3 "$fourfold" validate sales.csv --recipe shop.yaml; holds out "1 line refused"
holds out "line 8: "
[ ! -e sales.csv.rejects.jsonl ] || fail "validate wrote a reject file"
echo '{"event":"user","user":"u","fields":[]}' > native.jsonl
expect 0 "$fourfold" validate native.jsonl; holds out "1 event"
echo '{"event":"interaction","type":"view","user":"u","item":"i","timestamp":1700000000}' > seconds.jsonl
expect 0 "$fourfold" validate seconds.jsonl; holds err "look like seconds"
[ ! -e fourfold-engine ] || fail "validate made a directory"
sed 's/covisitation/covisitaton/' shop.yaml > wrong.yaml
expect 1 "$fourfold" validate wrong.yaml; holds err "wrong.yaml:9: retrievers[0].kind"; holds err "did you mean covisitation?"

# No engine yet.
expect 1 "$fourfold" status -d nowhere; holds err "no such directory"
[ ! -e nowhere ] || fail "a status that failed made a directory"
for file in absent.csv .; do expect 1 "$fourfold" import "$file" --recipe shop.yaml -d nowhere; holds err "$file"; done
[ ! -e nowhere ] || fail "an import that failed made a directory"
expect 0 "$fourfold" init --recipe shop.yaml -d other; holds out shop
expect 0 "$fourfold" status -d other; holds out none; ! grep -q since_for_ever out || fail "status of an empty engine"

# In.
expect 1 "$fourfold" import sales.csv absent.csv --recipe shop.yaml -d other; holds err "absent.csv"
expect 0 "$fourfold" status -d other --format json; holds out '"events":0'
expect 3 "$fourfold" import sales.csv --recipe shop.yaml
holds out "1 line refused"
holds sales.csv.rejects.jsonl yesterday
expect 3 "$fourfold" import sales.csv; holds out "0 taken in"
expect 1 "$fourfold" import sales.csv --strict; holds err "time"
expect 1 "$fourfold" import absent.csv; holds err absent.csv
expect 0 "$fourfold" status --format json --clock-at end; holds out '"now":"2024-05-05T12:00'

# Learn, and serve.
expect 1 "$fourfold" activate latest
expect 0 "$fourfold" train --clock-at end --no-evaluation; holds out published
expect 0 "$fourfold" activate latest; holds out active
expect 0 "$fourfold" recommend cy --clock-at end; holds out "Green tea"; holds out together
expect 0 "$fourfold" recommend cy --filter 'price < 5'; holds out tea; ! grep -q cup out || fail "the filter let a cup through"
expect 1 "$fourfold" recommend cy --filter 'price <'; holds err column
expect 0 "$fourfold" recommend cy --format json; holds out '"items":['
expect 0 "$fourfold" similar pot --limit 1
expect 0 "$fourfold" explain cy; holds out "buy of pot (Tea pot)"; holds out Dropped
expect 0 "$fourfold" why-not cy pot; holds out "dropped"
expect 0 "$fourfold" recommend --all-users -o slates.jsonl
[ "$(wc -l < slates.jsonl)" = 3 ] || fail "not a slate for each user"
expect 0 "$fourfold" eval --split leave_one_out --variant all --method popular --resamples 10; holds out popular
FOURFOLD_EVALUATION__NEAR_DUPLICATE_RUN=2 expect 0 "$fourfold" eval --split leave_one_out --variant all --method popular --resamples 10
holds out "users who share 2 actions in a row with another: "; holds out "all other users: "
expect 1 "$fourfold" eval --method nobody; holds err "no retriever nobody"

# Features of the past.
expect 0 "$fourfold" features get --entity user:bob --entity item:pot --as-of 2024-05-03; holds out "sold: 1"; holds out "bought: 1 actions"
expect 0 "$fourfold" features get --entity item:pot --clock-at end --format json; holds out '"features":{"sold":3,"searched":0}'
expect 1 "$fourfold" features get --entity pot; holds err "user:ID, session:ID, item:ID or query:TEXT"
expect 0 "$fourfold" features get --entity query:501 --entity item:pot --clock-at end; holds out "searched: 0"
expect 1 "$fourfold" features get --entity query:tea --field query=pot; holds err "given twice"
expect 2 "$fourfold" features get

# What a ranker was served with is what the log says.
expect 0 "$fourfold" verify-skew; holds out "No request that a ranker scored has been logged"
cat > ranked.yaml << 'END'
name: ranked
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular}]
features:
  - {name: clicks, kind: count, entity: item, types: [click]}
  - {name: mine, kind: count, entity: user_item, types: [click]}
ranker: {labels: {click: 1}, rounds: 5, early_stopping_rounds: 0, min_child_weight: 0, log_features: 1}
END
for i in $(seq 10 59); do
  echo "{\"event\":\"ranking\",\"id\":\"s$i\",\"user\":\"u$((i % 7))\",\"timestamp\":\"2024-05-01T10:$i:00Z\",\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"
  echo "{\"event\":\"interaction\",\"id\":\"c$i\",\"user\":\"u$((i % 7))\",\"ranking\":\"s$i\",\"type\":\"click\",\"item\":\"a\",\"timestamp\":\"2024-05-01T10:$i:00Z\"}"
done > slates.jsonl
expect 0 "$fourfold" -d ranked import slates.jsonl --recipe ranked.yaml
expect 0 "$fourfold" -d ranked train --activate --no-evaluation
expect 0 "$fourfold" -d ranked recommend u1
expect 0 "$fourfold" -d ranked verify-skew; holds out "1 requests, "; holds out "values: 0 differ"
printf '!' | dd of=ranked/served/served.log bs=1 seek=100 conv=notrunc 2> /dev/null
expect 1 "$fourfold" -d ranked verify-skew; holds err "checksum"

# Another servable, and back.
expect 1 "$fourfold" rollback; holds err "no previous"
echo '{"event": "interaction", "user": "dan", "type": "buy", "item": "cup", "timestamp": "2024-05-06T10:00:00Z"}' > more.jsonl
expect 0 "$fourfold" import more.jsonl
expect 0 "$fourfold" train --activate --no-evaluation
expect 0 "$fourfold" rollback; holds out "active again"
expect 0 "$fourfold" servables; holds out previous; holds out active
expect 1 "$fourfold" publish nowhere; holds err nowhere

# Over HTTP.
"$fourfold" serve --port 0 --clock-at end > serve.log 2>&1 &
server=$!
await_server
expect 1 "$fourfold" status; holds err fourfold-engine
expect 1 "$fourfold" train; holds err "POST /v1/servables"
expect 1 "$fourfold" activate latest; holds err "POST /v1/servables/latest:activate"
expect 1 "$fourfold" rollback; holds err "POST /v1/servables:rollback"
expect 1 "$fourfold" publish .; holds err "stop it first"
if command -v curl > /dev/null; then
  curl -sf "$url/health/ready" > out
  curl -sf "$url/v1/recommend" -H 'Content-Type: application/json' -d '{"user": "cy", "limit": 2}' > out
  holds out '"items":['
  curl -sf "$url/v1/servables" -d '{"activate": true}' > out; holds out '"state":"running"'
  for _ in $(seq 100); do
    curl -sf "$url/v1/servables" > out
    grep -q '"state":"running"' out || break
    sleep 0.1
  done
  holds out '"training":{"state":"active"'
fi
kill -TERM "$server"
wait "$server" || fail "the server did not stop in order"
server=
holds serve.log stopped

# Out.
expect 0 "$fourfold" users erase ann; holds out forgotten
expect 0 "$fourfold" recommend cy --log-slate --clock-at end; [ ! -s err ] || { cat err >&2; fail "an erasure moved the clock"; }
expect 0 "$fourfold" export -o log.jsonl
# Standard output is written as it stands, be it a file or a pipe.
expect 0 "$fourfold" export; cmp -s out log.jsonl || fail "export to a file of the shell's differs"
"$fourfold" export 2> /dev/null | cmp -s - log.jsonl || fail "export into a pipe differs"
[ -L /dev/stdout ] || fail "/dev/stdout was replaced"
! grep -q '"ann"' log.jsonl || fail "the log still knows ann"
holds log.jsonl '"bob"'

# History that is limited.
expect 1 "$fourfold" retain; holds err "keeps history for ever"
sed -e 's/^name: shop/&\nretain: 1d/' shop.yaml > short.yaml
expect 1 "$fourfold" validate short.yaml; holds err "window: is required"
sed -i '/^features:/,$d' short.yaml
expect 1 "$fourfold" retain --recipe short.yaml; holds err "--all"
expect 0 "$fourfold" retain --recipe short.yaml --clock-at end; holds out "were removed"
expect 0 "$fourfold" status --clock-at end; holds out "history from"
expect 0 "$fourfold" import more.jsonl --clock-at end; holds out "0 taken in"

# Embeddings, judged alone.
cat > tags.yaml << 'END'
name: tags
import: {format: jsonl}
retrievers:
  - {name: eges, kind: eges, side_fields: [tag], dimension: 8, learning_rate: 0.2, threads: 1}
  - {name: popular, kind: popular}
END
for item in $(seq 0 19); do
  echo '{"event":"item","item":"i'"$item"'","timestamp":"2024-01-01T00:00:00Z","fields":[{"name":"tag","value":"t'$((item % 2))'"}]}'
done > tags.jsonl
for user in $(seq 0 29); do
  for minute in $(seq 10 17); do
    item=$(((user * 7 + minute * (user + 3)) % 10 * 2 + user % 2))
    echo '{"event":"interaction","type":"take","user":"u'"$user"'","item":"i'"$item"'","timestamp":"2024-01-02T00:'"$minute"':00Z"}'
  done
done >> tags.jsonl
expect 0 "$fourfold" import tags.jsonl -d tags --recipe tags.yaml; holds out "0 known already"
expect 0 "$fourfold" eval -d tags --task link_prediction --resamples 10
for row in "eges: BGE" "eges: GES" "eges: EGES" AUC; do holds out "$row"; done
expect 0 "$fourfold" eval -d tags --task link_prediction --on-validation --resamples 10
holds out "without the test's edges"
expect 1 "$fourfold" eval -d tags --task cold_items --on-validation; holds err "only link_prediction"
expect 0 "$fourfold" eval -d tags --task cold_items --hidden-share 0.2 --resamples 10
for row in "eges: EGES" chance MRR; do holds out "$row"; done
expect 1 "$fourfold" eval -d tags --task cold_items --method popular; holds err "only retrievers of kind eges"
expect 2 "$fourfold" eval -d tags --task warm_items

# A world with known truth.
cat > world.yaml << 'END'
name: small
days: 5
topics: 4
users: {population: 40}
items: {alive: 100}
END
expect 1 "$fourfold" simulate --out log; holds err "needs --recipe"
expect 2 "$fourfold" simulate --recipe world.yaml; holds err out
sed 's/population/populaton/' world.yaml > wrong.yaml
expect 1 "$fourfold" simulate --recipe wrong.yaml --out log; holds err "wrong.yaml:4: users.populaton: unknown key; did you mean population?"
expect 0 "$fourfold" simulate --recipe world.yaml --seed 3 --out world.jsonl --truth world.truth --format json
duplicates=$(grep -oE '"duplicates":[0-9]+' out)
expect 0 "$fourfold" simulate --recipe world.yaml --seed 3 --out again.jsonl.zst; holds out twice
[ ! -e world.jsonl.partial ] || fail "something unfinished is left"
cat > feed.yaml << 'END'
name: feed
import: {format: jsonl}
retrievers: [{name: popular, kind: popular}]
END
expect 0 "$fourfold" import world.jsonl -d world --recipe feed.yaml --format json
holds out '"rejected":0'; holds out "$duplicates,"
expect 0 "$fourfold" import again.jsonl.zst -d world; holds out "0 taken in"
expect 2 "$fourfold" simulate --recipe world.yaml --days 2; holds err against
expect 1 "$fourfold" simulate --recipe world.yaml --against popular; holds err "neither popularity"
expect 1 "$fourfold" simulate --recipe world.yaml --against truth --against truth; holds err twice
rm serve.log # or await_server might read the address of the one before, which the shell truncates when it comes to it
"$fourfold" serve --port 0 -d world --clock-at 2026-01-07 > serve.log 2>&1 &
server=$!
await_server
against=("$fourfold" simulate --recipe world.yaml --seed 3 --days 1 --against "$url")
expect 0 "${against[@]}" --against popularity; holds out "first - popularity"
[ ! -s err ] || { cat err >&2; fail "a server with the right clock and catalogue is no reason to warn"; }
expect 1 "${against[@]}"; holds err "lived through this before"
kill -TERM "$server"
wait "$server" || fail "the server did not stop in order"
server=

echo "all as it should be"
