package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/berth-gitops/berth/sops"
)

// key reads the berth key from --key-file, BERTH_KEY or the default place. It returns
// nil without an error when the default place holds none.
func (g *globals) key() (*sops.Key, error) {
	if text := os.Getenv("BERTH_KEY"); text != "" && g.keyFile == "" {
		key, err := sops.ParseKey([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("BERTH_KEY: %w", err)
		}
		g.log().Debug("berth key", slog.String("from", "BERTH_KEY"))
		return key, nil
	}
	file, err := g.keyPath()
	if err != nil {
		return nil, nil //nolint:nilerr // without a home there is no default place, and so no key in it
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && g.keyFile == "":
		return nil, nil
	case err != nil:
		if g.keyFile != "" {
			file = "--key-file" // what it was given may be the key itself
		}
		return nil, usageError{err: fmt.Errorf("%s: %w", file, reason(err)), hint: "name the berth key that `berth init` made for this repository"}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, emptyKey(file)
	}
	key, err := sops.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	g.log().Debug("berth key", slog.String("file", file))
	g.warnReadable(file)
	return key, nil
}

// emptyKey tells of a key file with nothing in it.
func emptyKey(file string) error {
	return usagef("%s is empty: there is no key in it", file).next("restore it from the copy in your safe; if `berth init` was killed when it made it, there is none: delete it")
}

// warnReadable tells of a private key that other users of the machine can read.
func (g *globals) warnReadable(file string) {
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o007 != 0 {
		g.ui.warn("%s can be read by others, and whoever has it can forge seals", file)
		g.ui.hint("chmod 600 %s", shellQuote(file))
	}
}

// keyPath is where the berth key is, or would be made.
func (g *globals) keyPath() (string, error) {
	if g.keyFile != "" {
		return g.keyFile, nil
	}
	folder, err := configFolder()
	if err != nil {
		return "", usageError{err: err, hint: "name the berth key with --key-file"}
	}
	return filepath.Join(folder, "key"), nil
}

// configFolder is where berth keeps keys that were given no place.
func configFolder() (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no configuration folder to keep it in: %w", err)
	}
	return filepath.Join(folder, "berth"), nil
}
