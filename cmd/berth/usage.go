package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-gitops/berth/generator"
)

// printUsage writes what help ends with: what the command is, and only its own flags.
// It is no text/template, which would make the linker keep every method of every type
// in the program: a fifth of its size.
func printUsage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n  ")
	if cmd.HasAvailableSubCommands() {
		b.WriteString(cmd.CommandPath() + " COMMAND\n")
	} else {
		b.WriteString(cmd.UseLine() + "\n")
	}
	if cmd.HasExample() {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s %s\n", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	if cmd.HasAvailableLocalFlags() {
		b.WriteString("\nFlags:\n" + strings.TrimRight(cmd.LocalFlags().FlagUsages(), " \n") + "\n")
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\n%q lists the flags that every command has: repository, branch, credentials, output.\n", cmd.Root().Name()+" --help")
	}
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

// asGroup makes cmd print its help when it is called alone, and refuse what it does
// not know.
func asGroup(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args)
		}
		return cmd.Help()
	}
}

func unknownCommand(parent *cobra.Command, args []string) error {
	e := usagef("unknown command %q", args[0])
	var names []string
	for _, c := range parent.Commands() {
		names = append(names, c.Name())
	}
	if near := generator.Nearest(args[0], names); near != "" {
		return e.next("did you mean %s?", near)
	}
	return e
}

// newHelpCommand is cobra's, but for topics that there are none of.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(topic, rest)
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// wordFlagError words what pflag says. It repeats no value where a secret may stand by
// mistake.
func wordFlagError(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(cmd, e)
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if e.GetFlag().Value.Type() == "bool" {
			return usagef("--%s takes no value", e.GetFlag().Name)
		}
		return usagef("--%s %s: %w", e.GetFlag().Name, e.GetValue(), errors.Unwrap(e))
	}
	return usageError{err: err}
}

func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	if e.GetSpecifiedShortnames() != "" {
		return usagef("unknown flag -%s", e.GetSpecifiedName()[:1])
	}
	name := e.GetSpecifiedName()
	unknown := usagef("unknown flag --%s", name)
	var names, longer []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names = append(names, f.Name)
		if strings.HasPrefix(f.Name, name+"-") {
			longer = append(longer, "--"+f.Name)
		}
	})
	if near := generator.Nearest(name, names); near != "" {
		unknown = unknown.next("did you mean --%s?", near)
	} else if len(longer) > 0 {
		unknown = unknown.next("did you mean %s?", strings.Join(longer, " or "))
	}
	return unknown
}

// checkFiles refuses a flag that should name a file when there is nothing in it, for a
// script whose variable is empty meant something; and when a private key is in it: errors
// would print the key, and init would make a file of that name.
func checkFiles(f *pflag.FlagSet) error {
	var bad error
	f.VisitAll(func(flag *pflag.Flag) {
		if what, _ := pflag.UnquoteUsage(flag); what != "file" || bad != nil {
			return
		}
		if bad = givenWhole(f, flag.Name); bad != nil || !holdsKey(flag.Value.String()) {
			return
		}
		name := "--" + flag.Name
		if !flag.Changed {
			name = "BERTH_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		}
		bad = usagef("%s wants the name of a file, and was given a key", name).next("write the key into a file, and name that")
	})
	return bad
}

// holdsKey says that a private key is in text, of berth's, of age's or of SSH's.
func holdsKey(text string) bool {
	return slices.ContainsFunc([]string{"BERTH-SECRET-KEY-", "AGE-SECRET-KEY-", "-----BEGIN"}, func(mark string) bool {
		return strings.Contains(text, mark)
	})
}

// givenWhole refuses a flag that was given with nothing in it, as a script does whose
// variable is empty: to look at something else than was meant would pass what is wrong.
func givenWhole(f *pflag.FlagSet, flags ...string) error {
	for _, name := range flags {
		if flag := f.Lookup(name); flag.Changed && flag.Value.String() == "" {
			return usagef("--%s is empty", name).next("leave it out, or check the variable that it is filled from")
		}
	}
	return nil
}

// checkFlags is what every command asks of its flags before it runs. output lists the
// formats that it knows.
func (g *globals) checkFlags(cmd *cobra.Command, output ...string) error {
	if err := g.checkOutput(output...); err != nil {
		return err
	}
	if err := generator.CheckBranch(g.branch); err != nil {
		return err
	}
	return checkFiles(cmd.Flags())
}

// checkOutput refuses a format that is not among formats. A program that reads the data
// is told nothing beside it.
func (g *globals) checkOutput(formats ...string) error {
	if g.output != "" && !slices.Contains(formats, g.output) {
		return usagef("unknown output %q", g.output).next("use %s", strings.Join(formats, " or "))
	}
	g.ui.quiet = forProgram(g.output)
	return nil
}

// forProgram says whether a program reads that format.
func forProgram(format string) bool { return format == "json" || format == "yaml" }

// outputIn finds the format in arguments whose flags could not all be parsed.
func outputIn(args []string) string {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	format := f.StringP("output", "o", "", "")
	_ = f.Parse(args) // what it cannot read has been told
	return *format
}

// offer makes shells complete a flag's value.
func offer(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // a flag that does not exist
	}
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
