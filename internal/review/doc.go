// Package review tells what a change to a GitOps repository does to the clusters:
// object by object, with secrets told from what stands beside them in plain.
//
// [Build] makes a [Review] of two trees; it builds only the projects that changed,
// and compares the platform's own objects as they are written.
// [Review.Text] and [Review.Markdown] word it, and it marshals to JSON. Whatever comes
// from the repository is a [Phrase], which is escaped for the place it is printed in;
// texts that hold what looks like a secret are left out.
package review
