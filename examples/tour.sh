# What both tours have in common; a script that sources this first says how its repository is called:
#
#     repository=wine; . "$(dirname "$0")/tour.sh"
#
# Every command is shown as typed; the first that fails ends the tour.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/release
place=$(mktemp -d "${TMPDIR:-/tmp}/git-exp-$(basename "$0" .sh).XXXXXX")
mkdir "$place/home" "$place/bin" "$place/$repository"
ln -s "$built/git-exp" "$place/bin/git-exp"

# Nothing of the machine's configuration has a say, and nothing of it is changed.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE XDG_CONFIG_HOME MAKEFLAGS MAKELEVEL MFLAGS
for name in $(env | sed -n 's/^\(GIT_EXP_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export HOME="$place/home" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_PAGER=cat PATH="$place/bin:$PATH"
git config --global user.name 'Ada Lovelace'
git config --global user.email 'ada@example.org'
git config --global init.defaultBranch main
git config --global advice.detachedHead false

step=0
say() {
    step=$((step + 1))
    printf '\n%s. %s\n' "$step" "$1"
}

# Leaves out all but the last few of many lines in a row that report inputs, and of those that report metrics.
shorten() {
    awk '
        /^(METRIC|INPUT) / { if ($1 != word) flush(); word = $1; count++; line[count] = $0; next }
        { flush(); print }
        END { flush() }
        function flush(   i) {
            if (count > 4) print "… (" count - 4 " more " word " lines)"
            for (i = count > 4 ? count - 3 : 1; i <= count; i++) print line[i]
            count = 0
        }'
}

# Shows a command, runs it, and ends the tour where it fails.
run() {
    printf '\n   $ %s\n' "$1"
    status=0
    eval "$1" >"$place/output" 2>&1 </dev/null || status=$?
    shorten <"$place/output" | sed 's/^/   /'
    if [ "$status" -ne 0 ]; then
        printf '\nThe tour ends here: the command above exited with %s. Its repository: %s/%s\n' "$status" "$place" "$repository" >&2
        exit 1
    fi
}

cd "$place/$repository"
