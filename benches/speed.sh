#!/bin/sh
# How fast this code's git-exp is in a repository of some hundred entries, as `git exp run` reads it: lines of METRIC.
#
# One warm-up, then REPEATS calls of each command, in turn; the metric is the mean over them. TARGET is where builds go.
set -eu
REPEATS=${REPEATS:-40}
CARGO_TARGET_DIR=${TARGET:-target}/$(git rev-parse --short=12 HEAD)
export CARGO_TARGET_DIR
cargo build --locked --release --quiet --bin git-exp
exp=$CARGO_TARGET_DIR/release/git-exp

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset GIT_DIR GIT_WORK_TREE GIT_EXP_ID GIT_EXP_RUN GIT_EXP_OUT GIT_EXP_METRICS
HOME=$folder
GIT_CONFIG_NOSYSTEM=1
export HOME GIT_CONFIG_NOSYSTEM
cd "$folder"
git init --quiet --initial-branch main .
git config user.name bench
git config user.email bench@example.org
git commit --quiet --allow-empty -m begin
"$exp" topic new loop --prefix LOOP --goal 'a shorter loop' --baseline default=main --accept 'loss <= -1%' \
    --no-guard 'a benchmark' --trials 5 --budget runs=1000 >/dev/null 2>&1
for name in first second third; do
    "$exp" new "$name" --topic loop --hypothesis "$name helps" --change "$name" --no-worktree >/dev/null 2>&1
    number=0
    while [ $number -lt 60 ]; do
        number=$((number + 1))
        "$exp" note "LOOP-001" "note $number about the $name experiment" >/dev/null
    done
done
git switch --quiet exp/LOOP-001
"$exp" run -n 120 -- sh -c 'echo METRIC loss=2.$GIT_EXP_SEED' >/dev/null 2>&1
now() { date +%s%N; }
measure() {
    metric=$1
    shift
    "$exp" "$@" >/dev/null 2>&1
    began=$(now)
    number=0
    while [ $number -lt "$REPEATS" ]; do
        number=$((number + 1))
        "$exp" "$@" >/dev/null 2>&1
    done
    echo "METRIC $metric=$(awk "BEGIN { print ($(now) - $began) / 1e6 / $REPEATS }") unit=ms better=lower"
}
measure status_time status
measure runs_time runs
measure logbook_time logbook loop
measure tried_time tried 'does the second help'
echo "METRIC binary_size=$(wc -c <"$exp") unit=bytes better=lower"
