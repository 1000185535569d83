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
			if g.output != "" {
				return g.ui.print(map[string]string{"version": version()}, g.output)
			}
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
