// Package verify judges a GitOps repository, or a change to one, with public
// keys only: is every sealed file what berth sealed for its path, does every
// project stay inside its own folder, namespaces and rights, and do the
// generated files say what the spec says.
//
// [Check] is the one function to call. It reads two trees as [io/fs.FS] and
// treats both as data: nothing in them is run, no reference out of them is
// followed. What counts (settings, public keys, recipients) comes from
// [Input.Policy], which a caller takes from the base, never from the change.
//
// [Rules] lists the rules with why each matters; docs/rules.md is that list. The
// cost follows [Input.Changed]: a project is looked at as a whole when anything of
// it changed, and not at all otherwise.
package verify
