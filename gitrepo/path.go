package gitrepo

import (
	"io/fs"
	"strings"
	"unicode"
)

const maxPath = 1024

// checkPath refuses every path that could leave the tree or reach Git's own
// files on some file system. It covers what git's verify_path does with
// core.protectNTFS and core.protectHFS.
func checkPath(path string) error {
	bad := func(detail string) error { return &PathError{Path: path, Err: ErrUnsafePath, Detail: detail} }
	switch {
	case len(path) > maxPath:
		return &PathError{Path: path[:60] + "…", Err: ErrUnsafePath, Detail: "too long"}
	case path == "." || !fs.ValidPath(path):
		return bad("not a clean, relative, slash-separated UTF-8 path")
	case strings.ContainsAny(path, `\:`):
		return bad("backslashes and colons mean something else on Windows")
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case strings.IndexFunc(part, unicode.IsControl) >= 0:
			return bad("control character")
		case isDotGit(part):
			return bad("Git keeps its own files there")
		case len(part) > 255:
			return bad("name too long")
		}
	}
	return nil
}

// isDotGit reports whether a file system could take name for ".git": NTFS
// ignores case, trailing dots and blanks and knows it as git~1; HFS+ ignores
// case and some invisible characters.
func isDotGit(name string) bool {
	name = strings.Map(func(r rune) rune {
		if ignoredByHFS(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	name = strings.TrimRight(name, ". ")
	return name == ".git" || name == "git~1"
}

// ignoredByHFS lists the code points of git's next_hfs_char.
func ignoredByHFS(r rune) bool {
	return r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff
}
