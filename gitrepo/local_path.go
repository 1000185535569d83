package gitrepo

// LocalPath returns the absolute path that a repository's address means on this
// machine, and false for an address on a server or one that Open would refuse.
func LocalPath(address string) (string, bool) {
	e, err := parseURL(address)
	if err != nil || e.scheme != "file" {
		return "", false
	}
	return e.path, true
}
