#!/bin/sh
# The main job from end to end, on a throw-away GitOps repository with fresh keys.
# Needs bin/berth, git, and the sops command, which make demo builds where it is missing.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/bin:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/berth-demo.XXXXXX")
export BERTH_REPO="$dir/fleet.git" BERTH_KEY_FILE="$dir/berth.key"
platform_key=$dir/home.agekey

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '$ %s\n' "$*"; "$@"; }

step "1. A new GitOps repository for the cluster home, with a berth key and a platform key"
show berth init --cluster home --flux-url https://git.example.com/platform/fleet.git \
    --platform-key-file "$platform_key"

step "2. Two users create a project each; every token comes by stdin and is sealed at once"
printf %s 'ghp_alices-demo-token' | show berth create project shop --owner alice \
    --image ghcr.io/alice/shop:v1 --port 8080 --env development --env production \
    --username alice --password-stdin
printf %s 'ghp_bobs-demo-token' | show berth create project blog --owner bob \
    --image ghcr.io/bob/blog:v1 --port 3000 --env production \
    --username bob --password-stdin

step "3. The same again: nothing changes, and no decryption key was needed to know that"
printf %s 'ghp_alices-demo-token' | show berth create project shop --owner alice \
    --image ghcr.io/alice/shop:v1 --port 8080 --env development --env production \
    --username alice --password-stdin

step "4. What Flux does: unwrap the project key with the platform key, open the secret with it"
git clone --quiet "$BERTH_REPO" "$dir/fleet"
unwrap() {
    SOPS_AGE_KEY_FILE=$platform_key sops decrypt --extract '["data"]["project.agekey"]' \
        "$dir/fleet/tenants/home/$1/project-key.sops.yaml" | base64 -d >"$dir/$1.agekey"
}
unwrap shop
unwrap blog
secret=$dir/fleet/projects/shop/overlays/production/ghcr-secret.sops.yaml
SOPS_AGE_KEY_FILE=$dir/shop.agekey sops decrypt --extract '["data"][".dockerconfigjson"]' "$secret" |
    base64 -d
echo

step "5. Bob's key does not open Alice's secret"
if said=$(SOPS_AGE_KEY_FILE=$dir/blog.agekey sops decrypt "$secret" 2>&1); then
    echo "it does: this must never happen" >&2
    exit 1
fi
printf '%s\n' "$said" | tr -s '|\n ' ' ' | grep -o 'identity did not match any of the recipients' || printf '%s\n' "$said"

step "6. What stands in the repository"
git -C "$dir/fleet" ls-files
git -C "$dir/fleet" log --format='%h %s'

step "Try next"
cat <<TEXT
export BERTH_REPO=$BERTH_REPO BERTH_KEY_FILE=$BERTH_KEY_FILE PATH=$PWD/bin:\$PATH
berth get projects
berth diff shop --image ghcr.io/alice/shop:v2; echo "exit status \$?"
berth export shop production
berth verify
berth delete project blog --yes
rm -r $dir
TEXT
