#!/usr/bin/env bash
# An opponent of the second cell: raw git, without a work tree and an index. The files
# are rendered and sealed already; fast-import writes only the folders on their paths.
#
#   plumbing.sh CLONE FILES ID    CLONE is a bare clone that is kept and up to date
set -euo pipefail
export LC_ALL=C # ${#text} counts bytes

stream() { # files id
    local file text message="Create project $2"
    printf 'commit refs/heads/main\ncommitter bench <bench@localhost> now\ndata %d\n%s\n' "${#message}" "$message"
    printf 'from refs/heads/main^0\n'
    while IFS= read -r file; do
        text=$(<"$1/$file")$'\n'
        printf 'M 100644 inline %s\ndata %d\n%s\n' "$file" "${#text}" "$text"
    done < <(cd "$1" && find . -type f -printf '%P\n')
    printf 'done\n'
}

cd "$1"
stream "$2" "$3" | git fast-import --quiet --done --date-format=now
git push -q origin main
