package generator

import "strconv"

// CheckClusterName says whether name can be a cluster's name, as Problems.
func CheckClusterName(name string) error {
	if f := checkFolder(name); f != nil {
		return Problems{{Field: "cluster " + strconv.Quote(name), Reason: f.reason, Hint: f.hint}}
	}
	return nil
}

// CheckBranch says whether name can be the branch that berth works on, as Problems.
func CheckBranch(name string) error {
	f := checkBranch(name)
	if name == "" {
		f = &fault{"is empty", "for example main"}
	}
	if f != nil {
		return Problems{{Field: "branch " + strconv.Quote(name), Reason: f.reason, Hint: f.hint}}
	}
	return nil
}

// CheckID says whether id can be a project's id, as Problems about the argument
// it came by. Paths are only made of ids that pass.
func CheckID(id string) error {
	if f := checkProjectID(id); f != nil {
		return Problems{{Field: "project " + strconv.Quote(id), Reason: f.reason, Hint: f.hint}}
	}
	return nil
}
