#!/bin/sh
# A study of speed on the CPU in a throw-away repository: a baseline, a candidate that should be faster, a guardrail, launches in
# turn, the comparison, a decision and a seal that is verified in a clone.
#
# `make demo-bench` builds what it needs and runs it.
repository=study
. "$(dirname "$0")/tour.sh"
ln -s "$built/git-exp-bench" "$place/bin/git-exp-bench"

git init --quiet

say 'What is measured is a file in the repository: a small transformer that learns a text, with attention written as plain products.'
mkdir bench
git exp bench show smoke --set attention=plain --set max-time=2s --set ceilings=false >bench/model.toml
cat >exp.toml <<'CONFIG'
[metrics]
time_hot = { unit = "ms", better = "lower", kind = "measured" }
peak_memory = { unit = "MB", better = "lower", kind = "measured" }
tflops = { unit = "TFLOP/s", better = "higher", kind = "measured" }
tokens_per_second = { unit = "tokens/s", better = "higher", kind = "measured" }
evaluation_loss = { unit = "nats", better = "lower", kind = "quality" }
CONFIG
git add --all
git commit --quiet --message 'Measure a small transformer'
run 'git exp bench list'
run 'git exp bench show model'

say 'Tried in one process first, in turn: quick, and no proof.'
run 'git exp bench run model --set attention=fused --against attention=plain --set passes=6 --set pass-time=400ms'

say 'Then with a promise: what must come out, and what must not get worse.'
run "git exp topic new speed --prefix SPEED --goal 'A faster step that learns as well' --accept 'time_hot <= -5%' --guard 'evaluation_loss <= +0.5%' --budget wall=20m,runs=40"
run "git exp new fused --topic speed --trials 5 --baseline main --hypothesis 'The plain back end writes all scores to memory' --change 'attention = fused'"
run 'cd .worktrees/SPEED-001'
run "sed 's/\"plain\"/\"fused\"/' bench/model.toml >new && mv new bench/model.toml"
run "git commit --quiet --all --message 'Use fused attention'"

say 'Five launches of each side, in turn and in random order, each in a worktree of its own; both sides of a pair learn from one seed.'
run "git exp run -n 5 --against main -- git exp bench run model"

say 'The comparison, the decision, and the seal, which is proven in a clone of the tag alone.'
run 'git exp compare'
# The numbers decide: on a busy machine five launches may not be enough.
if git exp compare --check=accept >/dev/null 2>&1; then
    run "git exp decide SPEED-001 accept --because 'shown to be faster, and it learns the same' --next 'longer sequences'"
else
    run "git exp decide SPEED-001 iterate --because 'five launches do not show it on this machine' --next 'as many trials as the comparison names'"
fi
run 'git exp seal SPEED-001'
run "git clone --quiet --branch sealed/SPEED-001 '$place/study' '$place/clone' && cd '$place/clone' && git exp verify sealed/SPEED-001"

cat <<END

That was the study. It is all in $place; remove it when you are done.
  what it left                 cd $place/study && export PATH="$place/bin:\$PATH" && git exp show SPEED-001
  the page behind it           docs/guides/speed-up.md
END
