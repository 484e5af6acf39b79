#!/bin/sh
# A tour of git exp in a throw-away repository: a small model is really trained on real data, first without any ceremony,
# then as a baseline and a candidate that are recorded, listed and held against each other; the result is sealed, and reproduced in a clone.
#
# `make demo` builds what it needs and runs it.
repository=wine
. "$(dirname "$0")/tour.sh"
ln -s "$built/examples/train" "$place/bin/wine-train"

say 'Here is a Git repository with a training script in it. It trains a small network to grade red wines.'
git init --quiet
cat >train.sh <<'SCRIPT'
#!/bin/sh
exec wine-train --config train.toml "$@"
SCRIPT
chmod +x train.sh
cat >train.toml <<'CONFIG'
lr = 0.01
epochs = 100
hidden = 16
batch = 32
CONFIG
cat >exp.toml <<'CONFIG'
[config]
files = ["train.toml"]

[metrics.val_loss]
better = "lower"
kind = "quality"

[metrics.accuracy]
better = "higher"
kind = "quality"

[metrics.step_time]
unit = "ms"
better = "lower"
kind = "measured"
summary = "median"
CONFIG
git add --all
git commit --quiet --message 'Train a network to grade red wines'
run 'git log --oneline --stat'
run 'cat train.toml'

say 'Nothing needs to be set up. Put `git exp run --` before a command, and it is recorded: code, command, environment, output, metrics.'
run 'git exp run -- ./train.sh --epochs 20'

say 'A parameter given by name is recorded by name. The worktree need not be clean: what ran is stored as a commit of its own.'
printf '# a remark that nobody committed\n' >>train.toml
run 'git exp run --param lr=0.1 -- ./train.sh --epochs 20'
git checkout --quiet train.toml

say 'What ran so far, the newest first. Both runs are under the scratch experiment of the day.'
run 'git exp runs'

say 'Now with a question. A topic is a line of research; its experiments are numbered WINE-001, WINE-002 …'
run "git exp topic new wine --prefix WINE --goal 'Grade red wines better than the first network does' --accept 'val_loss <= -2%' --guard 'accuracy >= base - 0.02' --budget wall=10m,runs=20"

say 'The baseline is an experiment too. Its brief says what is believed before anything runs.'
run "git exp new baseline --topic wine --trials 3 --baseline main --hypothesis 'The first network shows what there is to beat' --change 'nothing'"
run 'git exp run -e WINE-001 -n 3 -- ./train.sh'

say 'The candidate changes one thing, in a branch and a worktree of its own. Criterion, guardrail and budget come from the topic.'
run "git exp new wider --topic wine --trials 3 --baseline WINE-001 --hypothesis 'Sixteen hidden units are too few for eleven measurements' --change 'hidden = 64'"
run 'cd .worktrees/WINE-002'
run "sed 's/hidden = 16/hidden = 64/' train.toml >new && mv new train.toml"
run "git commit --quiet --all --message 'Use 64 hidden units'"
run 'git exp run -n 3 -- ./train.sh'
run "git exp note WINE-002 'all three seeds end lower, and a step takes longer' --observation"
run 'cd ../..'

say 'The experiments side by side, and where each stands.'
run 'git exp list'

say 'Runs can be picked by metric, parameter, status, label, experiment and time, and sorted by any of them.'
run "git exp runs --filter 'experiment ~ WINE and val_loss < 1.06' --sort val_loss"

say 'What differs between the two: configuration, code, inputs, environment and metrics.'
run 'git exp diff -p WINE-001 WINE-002'

say 'Is it better, and is it still good? The comparison with the baseline of its brief, and what that says of the brief.'
run 'git exp compare WINE-002'

say 'The quickest question needs no brief: two commands in turn, as pairs, in random order.'
run "git exp ab -n 4 './train.sh --epochs 10' './train.sh --epochs 20'"

say 'A decision is an entry like every run: with its reason, and the comparison as it stood.'
run "git exp decide WINE-002 iterate --because 'all seeds end lower, and three do not show 2 %' --next 'six trials a side'"

say 'One experiment in full.'
run 'git exp show WINE-002'

say 'A seal puts code, entries, comparison and a script into one tag. If anything is not in order, it says so in the seal.'
run 'git exp seal --incomplete WINE-002'

say 'Somebody else has a clone of that tag and nothing more: no log, no configuration, another home. They prove it, and run it again.'
mkdir "$place/elsewhere"
run "git clone --quiet --branch sealed/WINE-002 file://$place/wine $place/clone"
run 'cd ../clone'
HOME=$place/elsewhere
run 'git exp verify sealed/WINE-002'
run 'git exp repro sealed/WINE-002'
run 'git exp show sealed/WINE-002'
HOME=$place/home
run 'cd ../wine'

say 'Plain git log shows the results beside the code, for whoever has never heard of git exp.'
run 'git log -1 exp/WINE-002'

say 'Everything was written to a log that is itself a chain of commits. It can be checked at any time, and so can what Git holds.'
run 'git exp log'
run 'git exp fsck'
run 'git fsck --strict --no-dangling'

cat <<END

That was the tour. Where to look next:
  the repository it left       cd $place/wine && export PATH="$place/bin:\$PATH"
  what to do next in it        git exp status
  every command                git exp -h, and git exp <command> -h
  a tutorial to type along     docs/tutorial.md
  how it is stored             docs/reference/storage.md
It is all in $place; remove it when you are done.
END
