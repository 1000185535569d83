#!/usr/bin/env bash
# The opponent of the first cell: what one writes around kubectl, sops, kustomize and
# git to create a project like berth's, at its best. The clone is kept between runs, it
# is up to date, and no program is started that is not needed: the plain files come from
# a template folder and bash fills in the name.
#
#   shell.sh prepare URL CLONE SAMPLE   once
#   shell.sh create CLONE SAMPLE ID     one project; the registry token is on stdin
#
# Without PARALLEL the environments are made one after the other. With SHARED_KEY all
# secrets are sealed to the platform's key, and no project keys are made: less work and
# less protection than berth's.
set -euo pipefail
sample_id=sample-project

prepare() {
    git clone -q "$1" "$2"
    (cd "$3" && find . -type f ! -name '*.sops.yaml' -printf '%P\n') >"$2/.git/plain"
    (cd "$3" && find . -mindepth 1 -type d -printf '%P\n') >"$2/.git/folders"
}

plain_files() { # clone sample id
    local folders files file text
    mapfile -t folders <"$1/.git/folders"
    mkdir -p "${folders[@]//$sample_id/$3}"
    mapfile -t files <"$1/.git/plain"
    for file in "${files[@]}"; do
        text=$(<"$2/$file")
        printf '%s\n' "${text//$sample_id/$3}" >"${file//$sample_id/$3}"
    done
}

seal() { # file, then its sops arguments; without any, the rule in .sops.yaml says to whom
    local file=$1 config=.sops.yaml
    shift
    [ $# = 0 ] || config=/dev/null
    sops --config "$config" encrypt --input-type yaml --output-type yaml --filename-override "$file" "$@" \
        /dev/stdin >"$file"
}

environment() { # id environment cluster token
    local id=$1 env=$2 cluster=$3 token=$4 key recipient overlay=projects/$1/overlays/$2
    if [ -n "${SHARED_KEY:-}" ]; then
        recipient=$SHARED_KEY
    else
        key=$(age-keygen 2>/dev/null)
        recipient=${key#*public key: } recipient=${recipient%%$'\n'*}
        kubectl create secret generic "sops-$id" -n flux-projects --from-file=project.agekey=/dev/stdin \
            --dry-run=client -o yaml <<<"$key" | seal "tenants/$cluster/$id/project-key.sops.yaml"
    fi
    kubectl create secret docker-registry ghcr-secret -n "project-$id-$env" --docker-server=ghcr.io \
        --docker-username="owner-of-$id" --docker-password="$token" --dry-run=client -o yaml |
        seal "$overlay/ghcr-secret.sops.yaml" --age "$recipient" --encrypted-regex '^(data|stringData)$'
    kustomize build "$overlay" >/dev/null
}

create() { # clone sample id
    local id=$3 token pair jobs=()
    read -r token || true
    cd "$1"
    plain_files "$1" "$2" "$id"
    for pair in development:dev staging:stage production:prod; do
        if [ -n "${PARALLEL:-}" ]; then
            environment "$id" "${pair%:*}" "${pair#*:}" "$token" &
            jobs+=($!)
        else
            environment "$id" "${pair%:*}" "${pair#*:}" "$token"
        fi
    done
    for pair in "${jobs[@]}"; do wait "$pair"; done
    git add "projects/$id" tenants/*/"$id" fleet/*/"$id.yaml"
    git commit -q -m "Create project $id"
    git push -q origin main
}

"$@"
