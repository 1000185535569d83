package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Signature is who made a change, as Git records it.
type Signature struct {
	Name, Email string
}

func (s Signature) isZero() bool { return s == Signature{} }

// check refuses what would break the commit object; git would silently drop
// such characters.
func (s Signature) check() error {
	if strings.TrimSpace(s.Name) == "" || strings.TrimSpace(s.Email) == "" {
		return errors.New("a commit needs a name and an email address")
	}
	if strings.ContainsAny(s.Name+s.Email, "<>\n\r\x00") {
		return fmt.Errorf("name %q and email %q must not contain <, > or line breaks", s.Name, s.Email)
	}
	return nil
}

func (s Signature) format(at time.Time) string {
	return fmt.Sprintf("%s <%s> %d %s", strings.TrimSpace(s.Name), strings.TrimSpace(s.Email), at.Unix(), at.Format("-0700"))
}

// Trailer is one "Key: value" line at the end of a commit message
// (git-interpret-trailers(1)).
type Trailer struct {
	Key   string // letters, digits and dashes
	Value string // one line
}

func (t Trailer) check() error {
	const allowed = "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	ok := t.Key != "" && strings.Trim(t.Key, allowed) == ""
	if !ok || strings.ContainsAny(t.Value, "\n\r\x00") {
		return fmt.Errorf("trailer %q: %q is not one line of \"Key: value\"", t.Key, t.Value)
	}
	return nil
}

// newCommit is a commit before it has bytes.
type newCommit struct {
	tree, parent      Hash // parent is zero for the first commit
	author, committer Signature
	at                time.Time
	message           string
	trailers          []Trailer
}

// encode makes the commit object, signed when sign is not nil.
func (c newCommit) encode(sign func([]byte) (string, error)) (object, error) {
	message, err := c.text()
	if err != nil {
		return object{}, err
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "tree %v\n", c.tree)
	if !c.parent.IsZero() {
		fmt.Fprintf(&head, "parent %v\n", c.parent)
	}
	fmt.Fprintf(&head, "author %s\n", c.author.format(c.at))
	fmt.Fprintf(&head, "committer %s\n", c.committer.format(c.at))
	if sign != nil {
		signature, err := sign([]byte(head.String() + "\n" + message))
		if err != nil {
			return object{}, fmt.Errorf("sign the commit: %w", err)
		}
		lines := strings.ReplaceAll(strings.TrimRight(signature, "\n"), "\n", "\n ")
		fmt.Fprintf(&head, "gpgsig %s\n", lines)
	}
	head.WriteString("\n" + message)
	return object{kind: kindCommit, data: head.Bytes()}, nil
}

func (c newCommit) text() (string, error) {
	message := strings.TrimSpace(strings.ReplaceAll(c.message, "\r\n", "\n"))
	switch {
	case message == "":
		return "", errors.New("a change needs a commit message")
	case strings.ContainsRune(message, 0):
		return "", errors.New("the commit message contains a NUL byte")
	}
	message += "\n"
	for i, t := range c.trailers {
		if err := t.check(); err != nil {
			return "", err
		}
		if i == 0 {
			message += "\n"
		}
		message += t.Key + ": " + t.Value + "\n"
	}
	return message, nil
}

// parsedCommit is what this package reads of a commit.
type parsedCommit struct {
	tree    Hash
	parents []Hash
	message string
}

func parseCommit(data []byte) (parsedCommit, error) {
	var c parsedCommit
	_, message, _ := bytes.Cut(data, []byte("\n\n"))
	c.message = string(message)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, " ")
		if key != "tree" && key != "parent" {
			break
		}
		id, err := ParseHash(value)
		if err != nil {
			return c, fmt.Errorf("%w: malformed commit: %w", ErrDamaged, err)
		}
		if key == "tree" {
			c.tree = id
		} else {
			c.parents = append(c.parents, id)
		}
	}
	if c.tree.IsZero() {
		return c, fmt.Errorf("%w: commit without a tree", ErrDamaged)
	}
	return c, nil
}
