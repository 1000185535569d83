package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of berth",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(g.ui.out, version())
			return err
		},
	}
}

// version is the module's version as the Go toolchain recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

func maxOneArg(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("one project at a time, got %d names", len(args))
	}
	return nil
}

func exactlyOneArg(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("name one project, got %d names", len(args))
	}
	return nil
}
