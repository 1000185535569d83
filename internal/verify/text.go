package verify

import (
	"errors"
	"io/fs"
	"strings"
	"unicode"
)

const (
	maxQuote = 80   // bytes of a name from the repository in a message
	maxWhat  = 1000 // bytes of a message
)

// clip bounds what a message quotes from the repository.
func clip(s string) string { return cut(s, maxQuote) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// shorten shows enough of a key or recipient to know it by.
func shorten(key string) string {
	if len(key) <= 80 {
		return key
	}
	return cut(key, 16) + key[len(key)-8:]
}

// Printable replaces what could move the cursor, hide or reorder text.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
